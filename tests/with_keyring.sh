#!/usr/bin/env bash
# with_keyring.sh CMD...: run CMD with a real, unlocked, throw-away Secret Service (gnome-keyring) on a private D-Bus.
# Without gnome-keyring CMD runs all the same, and the tests that need it say that they were skipped.
set -euo pipefail
if ! command -v gnome-keyring-daemon >/dev/null || ! command -v dbus-run-session >/dev/null; then
  echo "with_keyring.sh: gnome-keyring or dbus is not installed: the keyring tests will be skipped" >&2
  exec "$@"
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export XDG_DATA_HOME=$folder/data XDG_RUNTIME_DIR=$folder/run GNOME_KEYRING_CONTROL=$folder/run/keyring
mkdir -p -m 700 "$XDG_DATA_HOME" "$XDG_RUNTIME_DIR" "$GNOME_KEYRING_CONTROL"
unset DISPLAY WAYLAND_DISPLAY DBUS_SESSION_BUS_ADDRESS
export HOL_WIZARD_TESTS_KEYRING=1
dbus-run-session -- bash -c '
  eval "$(printf "tests-only" | gnome-keyring-daemon --unlock --components=secrets \
    --control-directory="$GNOME_KEYRING_CONTROL" 2>/dev/null)"
  # Ask for the owner of the name only: anything else would start a second daemon.
  for _ in $(seq 100); do
    dbus-send --session --dest=org.freedesktop.DBus --print-reply / org.freedesktop.DBus.NameHasOwner \
      string:org.freedesktop.secrets 2>/dev/null | grep -q "boolean true" && break
    sleep 0.05
  done
  "$@"' bash "$@"
