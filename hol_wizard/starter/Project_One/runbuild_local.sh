#!/bin/sh
# Builds the inference container on this machine. build.py does all the work; its settings are in settings.env.
cd "$(dirname "$0")" || exit 1
if command -v python3 >/dev/null 2>&1; then python=python3; else python=python; fi
exec "$python" build.py "$@"
