"""The environment variables of this process, and which of them each program that it starts gets: by an allow-list.

A deny-list of secrets is never complete, and variables do more than hold secrets: `GIT_DIR` sends git to another
repository, `DATABRICKS_HOST` an SDK to another workspace, `SSLKEYLOGFILE` has the keys of TLS written to a file. So a
variable that is not named here stays with the wizard, which alone reads its settings and secrets.

Proxies are kept although their addresses can hold a password: what reaches the network needs it and has no other way
to learn it. Only programs that reach the network get them.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from hol_wizard import redaction


@dataclass(frozen=True, slots=True)
class Group:
    """Variables that belong together."""

    names: frozenset[str]
    """In capitals; they count in any case, as Windows and the proxies' variables have it."""
    beginnings: tuple[str, ...] = ()
    """What names may begin with."""

    def has(self, name: str) -> bool:
        """Return whether a variable is one of them."""
        upper = name.upper()
        return upper in self.names or (upper.startswith(self.beginnings) and not upper.endswith(_ENDS_OF_SECRETS))


_ENDS_OF_SECRETS: Final = ("SECRET", "PASSWORD", "TOKEN", "_PAT", "_KEY", "_CREDENTIALS")
"""A variable that is known by its beginning only and ends so is for nobody."""


def _group(names: str, *beginnings: str) -> Group:
    return Group(frozenset(names.split()), beginnings)


SYSTEM: Final = _group(
    "PATH HOME USER LOGNAME USERNAME USERPROFILE USERDOMAIN HOMEDRIVE HOMEPATH SHELL COMPUTERNAME LANG LANGUAGE TZ"
    " TMPDIR TEMP TMP SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC PATHEXT OS PROCESSOR_ARCHITECTURE NUMBER_OF_PROCESSORS"
    " APPDATA LOCALAPPDATA PROGRAMDATA ALLUSERSPROFILE PUBLIC PROGRAMFILES PROGRAMFILES(X86) PROGRAMW6432"
    " COMMONPROGRAMFILES COMMONPROGRAMFILES(X86) COMMONPROGRAMW6432 LD_LIBRARY_PATH DYLD_LIBRARY_PATH"
    " DYLD_FALLBACK_LIBRARY_PATH DBUS_SESSION_BUS_ADDRESS TERM COLORTERM NO_COLOR COLUMNS LINES"
    " __CF_USER_TEXT_ENCODING",
    "LC_",
    "XDG_",
)
"""What every program needs: to be found, to find its files and its language."""
NETWORK: Final = _group(
    "HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY SSL_CERT_FILE SSL_CERT_DIR NIX_SSL_CERT_FILE REQUESTS_CA_BUNDLE"
    " CURL_CA_BUNDLE KRB5CCNAME KRB5_CONFIG"
)
"""Proxies, and certificates to trust."""
GIT: Final = _group(
    "GIT_CONFIG_GLOBAL GIT_CONFIG_SYSTEM GIT_CONFIG_NOSYSTEM GIT_SSL_CAINFO GIT_SSL_CAPATH GIT_SSL_CERT GIT_SSL_KEY"
    " GIT_SSL_CERT_TYPE GIT_SSL_KEY_TYPE GIT_SSL_CERT_PASSWORD_PROTECTED GIT_SSL_VERSION GIT_SSL_CIPHER_LIST"
    " GIT_PROXY_SSL_CAINFO GIT_PROXY_SSL_CERT GIT_PROXY_SSL_KEY GIT_PROXY_SSL_CERT_PASSWORD_PROTECTED"
    " GIT_HTTP_PROXY_AUTHMETHOD GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL"
)
"""Where git's settings are, how it reaches a server, and who commits.

Nothing that tells it where to work (`git rev-parse --local-env-vars`), which programs to start, or to trust any
certificate (`GIT_SSL_NO_VERIFY`): it would hand the sign-in to whoever answers.
"""
DOCKER: Final = _group(
    "DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG DOCKER_CERT_PATH DOCKER_TLS DOCKER_TLS_VERIFY DOCKER_API_VERSION"
    " DOCKER_DEFAULT_PLATFORM CONTAINER_HOST CONTAINER_SSHKEY CONTAINERS_CONF CONTAINERS_STORAGE_CONF SSH_AUTH_SOCK"
)
"""Which engine docker (or Podman's) talks to; an engine elsewhere is reached through SSH, with the person's agent."""
AZURE: Final = _group(
    "AZURE_CONFIG_DIR AZURE_EXTENSION_DIR ACC_CLOUD AZUREPS_HOST_ENVIRONMENT MSI_ENDPOINT", "AZURE_CORE_"
)
"""Where the Azure CLI keeps its session, and how the Cloud Shell signs in."""
DATABRICKS: Final = _group("DATABRICKS_CONFIG_FILE")
"""Where the Databricks CLI keeps its profiles; which of them it uses, and which workspace, is not the wizard's."""
PYTHON: Final = _group(
    "PYTHONPATH PYTHONHOME PYTHONUSERBASE PYTHONNOUSERSITE PYTHONSAFEPATH PYTHONUTF8 PYTHONIOENCODING"
    " PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX __PYVENV_LAUNCHER__"
)
"""What lets an interpreter find the packages that this process has; for our own programs only."""
DESKTOP: Final = _group(
    "DISPLAY WAYLAND_DISPLAY XAUTHORITY DESKTOP_SESSION GNOME_DESKTOP_SESSION_ID KDE_FULL_SESSION KDE_SESSION_VERSION"
    " BROWSER SSH_CONNECTION SSH_CLIENT SSH_TTY CODESPACES WSL_DISTRO_NAME WSL_INTEROP WSLENV VSCODE_IPC_HOOK_CLI"
)
"""The browser and the windows; whether there are any."""
_OWN: Final = _group(
    "HOL_WIZARD_HOME HOL_WIZARD_DEBUG CI FORCE_COLOR ESCDELAY TERM_PROGRAM TERM_PROGRAM_VERSION TERMINAL_EMULATOR TMUX"
    " STY WT_SESSION CONEMUANSI VTE_VERSION KITTY_WINDOW_ID ITERM_SESSION_ID LC_TERMINAL GNOME_KEYRING_CONTROL"
    " KEYCHAIN_PATH PYTHON_KEYRING_BACKEND",
    "TEXTUAL",
    "PROMPT_TOOLKIT_",
)
"""What the wizard and its libraries read in this process: the terminal, the keyring, the wizard's own folder."""
PRACTICE: Final = _group("HOL_WIZARD_HOME HOL_WIZARD_PRACTICE_RUNTIME", "PIP_")
"""Where the practice cloud keeps the packages of its clusters, and how pip gets them."""
_KEPT: Final = (SYSTEM, NETWORK, GIT, DOCKER, AZURE, DATABRICKS, PYTHON, DESKTOP, PRACTICE, _OWN)

SHELL: Final = "HOL_WIZARD_SHELL"
"""What a shell had before it was prepared for the practice cloud (`practice env`)."""
PROXIES: Final = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
"""In capitals or in small letters, as curl, git, Python and requests read them."""
_NO_PROXY: Final = "NO_PROXY"
ENCODE: Final = "Percent-encode the name and the password: %40 for @, %3A for :, %2F for /, %23 for #, %25 for %."
"""What to do about a proxy's variable that cannot be read."""

_SECRET_NAME: Final = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|PAT|CREDENTIALS?|(?:API|ACCESS|ACCOUNT|SHARED)_?KEY)$",
    re.IGNORECASE,
)
_SHORTEST: Final = 6
"""Characters: what is shorter in a variable with such a name is `true`, `none`, a number."""

_PERCENT: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"
_PROXY: Final = re.compile(
    rf"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?:{_PERCENT}+(?::{_PERCENT}*)?@)?"
    r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?/?"
)


def noted(before: Mapping[str, str | None]) -> str:
    """Return what a prepared shell had before, as one value: it has no sign that any shell reads otherwise."""
    return base64.urlsafe_b64encode(json.dumps(before).encode()).decode()


def before_shell(environ: Mapping[str, str]) -> dict[str, str | None] | None:
    """Return what a shell that was prepared for the practice cloud had before; None: it is not prepared."""
    try:
        before = json.loads(base64.urlsafe_b64decode(environ.get(SHELL, "")))
    except ValueError:
        return None
    if not isinstance(before, dict) or not all(isinstance(value, str | None) for value in before.values()):
        return None
    return before


def leave_shell(environ: MutableMapping[str, str]) -> None:
    """Take back what prepares a shell for the practice cloud: the wizard, and the cloud itself, need none of it.

    A wizard for Azure would otherwise take the practice cloud for it.

    Args:
        environ: A process's variables.
    """
    for name, value in (before_shell(environ) or {}).items():
        if value is None:
            environ.pop(name, None)
        else:
            environ[name] = value


def take(environ: MutableMapping[str, str]) -> dict[str, str]:
    """Return all variables, and take away from the process, and from all that it starts, what is in no group.

    Libraries start programs of their own (keyring looks for system libraries with the compiler, `webbrowser` starts a
    browser) and hand on whatever the process has; and SDKs read variables by which somebody's other work is done.

    Args:
        environ: The process's own, `os.environ`.
    """
    taken = dict(environ)
    for name in taken:
        if not any(group.has(name) for group in _KEPT):
            del environ[name]
    return taken


def of_child(environ: Mapping[str, str], *groups: Group) -> dict[str, str]:
    """Return the variables that a program gets which this process starts.

    Args:
        environ: Where they are taken from.
        groups: What it needs besides what every program does.
    """
    return {name: value for name, value in environ.items() if any(group.has(name) for group in (SYSTEM, *groups))}


def hide(environ: Mapping[str, str]) -> None:
    """Keep the secrets in variables out of everything that this process says.

    Args:
        environ: The process's own, before anything is taken away.
    """
    secrets: list[str] = []
    users: list[str] = []
    for name, value in environ.items():
        if name.upper() in PROXIES:
            _learn(value, secrets, users)
        elif name.upper() == _NO_PROXY or "://" in value:
            for part in re.split(r"[,\s]+", value):
                if "@" in part:
                    _learn(part, secrets, users)
        elif _SECRET_NAME.search(name) and len(value) >= _SHORTEST:
            secrets.append(value)
    redaction.remember(secrets, users)


def proxy_trouble(value: str) -> str:
    """Return why the value of a proxy's variable is no address that requests can take; empty where it is one.

    Nothing of the value is part of what is said.
    """
    found = _PROXY.fullmatch(value.strip())
    if found is None or int(found["port"] or 1) not in range(1, 65536):
        return "it is not of the form http://name:password@host:port"
    scheme = (found["scheme"] or "http").lower()
    if scheme in {"http", "https"}:
        return ""
    if scheme in {"socks4", "socks4a", "socks5", "socks5h"}:
        from importlib.util import find_spec

        return "" if find_spec("socks") else "it is a SOCKS proxy, which this installation does not know (PySocks)"
    return "it begins with neither http:// nor https://"


def _learn(value: str, secrets: list[str], users: list[str]) -> None:
    """Find name and password in the value of a proxy's variable, and the pieces into which a parser can break them."""
    rest = value.partition("://")[2] if "://" in value else value
    sign_in, at, _ = rest.rpartition("@")
    if not at:
        if not proxy_trouble(value) or not rest.strip():
            return
        # Nobody can tell what is what in it: the host is missing, or an address has been cut off.
        sign_in = rest
    user, colon, password = sign_in.partition(":")
    if not colon or not password or not at:
        user, password = "", sign_in
    for text in dict.fromkeys((password, unquote(password))):
        secrets.append(text)
        secrets += re.split(r"[:/@?#\[\]\\%&=+,;\s]+", text)
    for text in dict.fromkeys((sign_in, unquote(sign_in))):
        secrets.append(text)
        secrets.append(base64.b64encode(text.encode("utf-8", "surrogateescape")).decode())
    users += [user, unquote(user)]
