"""The environment variables of this process, and the allow-lists for the programs that it starts.

A deny-list of secrets is never complete, and variables do more than hold secrets: `GIT_DIR` sends git to another
repository, `DATABRICKS_HOST` an SDK to another workspace, `SSLKEYLOGFILE` writes the keys of TLS to a file. Therefore,
a variable that is not listed here stays in the wizard, which alone reads its settings and secrets.

Proxy variables are passed on although their addresses can contain a password: programs that use the network need it and
cannot get it in another way. Only such programs receive them.
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
    """In capitals; case does not matter, as on Windows and for the proxy variables."""
    beginnings: tuple[str, ...] = ()
    """Prefixes of names."""

    def has(self, name: str) -> bool:
        """Return whether a variable belongs to the group."""
        upper = name.upper()
        return upper in self.names or (upper.startswith(self.beginnings) and not upper.endswith(_ENDS_OF_SECRETS))


_ENDS_OF_SECRETS: Final = ("SECRET", "PASSWORD", "TOKEN", "_PAT", "_KEY", "_CREDENTIALS")
"""A variable that matches only by prefix is never passed on if it ends like this."""


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
"""What every program needs: the search path, its folders, and the language."""
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

None of the variables that set where git works (`git rev-parse --local-env-vars`), which programs it starts, or that it
trusts any certificate (`GIT_SSL_NO_VERIFY`), because it would then send the sign-in to any server.
"""
DOCKER: Final = _group(
    "DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG DOCKER_CERT_PATH DOCKER_TLS DOCKER_TLS_VERIFY DOCKER_API_VERSION"
    " DOCKER_DEFAULT_PLATFORM CONTAINER_HOST CONTAINER_SSHKEY CONTAINERS_CONF CONTAINERS_STORAGE_CONF SSH_AUTH_SOCK"
)
"""Which engine docker (or podman) uses; a remote engine is reached through SSH, with the person's agent."""
AZURE: Final = _group(
    "AZURE_CONFIG_DIR AZURE_EXTENSION_DIR ACC_CLOUD AZUREPS_HOST_ENVIRONMENT MSI_ENDPOINT", "AZURE_CORE_"
)
"""Where the Azure CLI keeps its session, and how the Cloud Shell signs in."""
DATABRICKS: Final = _group("DATABRICKS_CONFIG_FILE")
"""Where the Databricks CLI keeps its profiles; the variables that choose a profile or a workspace are not passed on."""
PYTHON: Final = _group(
    "PYTHONPATH PYTHONHOME PYTHONUSERBASE PYTHONNOUSERSITE PYTHONSAFEPATH PYTHONUTF8 PYTHONIOENCODING"
    " PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX __PYVENV_LAUNCHER__"
)
"""What an interpreter needs to find the packages of this process; only for our own programs."""
DESKTOP: Final = _group(
    "DISPLAY WAYLAND_DISPLAY XAUTHORITY DESKTOP_SESSION GNOME_DESKTOP_SESSION_ID KDE_FULL_SESSION KDE_SESSION_VERSION"
    " BROWSER SSH_CONNECTION SSH_CLIENT SSH_TTY CODESPACES WSL_DISTRO_NAME WSL_INTEROP WSLENV VSCODE_IPC_HOOK_CLI"
)
"""The browser and the desktop, and whether there are any."""
TERMINAL: Final = _group("TMUX TMUX_TMPDIR STY")
"""The multiplexer around the terminal."""
_OWN: Final = _group(
    "HOL_WIZARD_HOME HOL_WIZARD_DEBUG CI FORCE_COLOR ESCDELAY TERM_PROGRAM TERM_PROGRAM_VERSION TERMINAL_EMULATOR"
    " WT_SESSION CONEMUANSI VTE_VERSION KITTY_WINDOW_ID ITERM_SESSION_ID LC_TERMINAL GNOME_KEYRING_CONTROL"
    " KEYCHAIN_PATH PYTHON_KEYRING_BACKEND",
    "TEXTUAL",
    "PROMPT_TOOLKIT_",
)
"""What the wizard and its libraries read in this process: the terminal, the keyring, the wizard's folder."""
PRACTICE: Final = _group("HOL_WIZARD_HOME HOL_WIZARD_PRACTICE_RUNTIME", "PIP_")
"""Where the practice cloud keeps the packages of its clusters, and how pip downloads them."""
_KEPT: Final = (SYSTEM, NETWORK, GIT, DOCKER, AZURE, DATABRICKS, PYTHON, DESKTOP, TERMINAL, PRACTICE, _OWN)

SHELL: Final = "HOL_WIZARD_SHELL"
"""The shell's variables before it was prepared for the practice cloud (`practice env`)."""
PROXIES: Final = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
"""In uppercase or lowercase, as curl, git, Python and requests read them."""
_NO_PROXY: Final = "NO_PROXY"
ENCODE: Final = "Percent-encode the name and the password: %40 for @, %3A for :, %2F for /, %23 for #, %25 for %."
"""What to do about an invalid proxy variable."""

_SECRET_NAME: Final = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|PAT|CREDENTIALS?|(?:API|ACCESS|ACCOUNT|SHARED)_?KEY)$",
    re.IGNORECASE,
)
_SHORTEST: Final = 6
"""Minimum number of characters: shorter values of variables with such a name are `true`, `none` or a number."""

_PERCENT: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"
_PROXY: Final = re.compile(
    rf"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?:{_PERCENT}+(?::{_PERCENT}*)?@)?"
    r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?/?"
)


def noted(before: Mapping[str, str | None]) -> str:
    """Return the previous variables of a prepared shell as one value without characters that are special in a shell."""
    return base64.urlsafe_b64encode(json.dumps(before).encode()).decode()


def before_shell(environ: Mapping[str, str]) -> dict[str, str | None] | None:
    """Return the previous variables of a shell that was prepared for the practice cloud; None if it is not prepared."""
    try:
        before = json.loads(base64.urlsafe_b64decode(environ.get(SHELL, "")))
    except (ValueError, RecursionError):
        return None
    if not isinstance(before, dict) or not all(isinstance(value, str | None) for value in before.values()):
        return None
    return before


def leave_shell(environ: MutableMapping[str, str]) -> None:
    """Remove the variables that prepare a shell for the practice cloud; the wizard and the cloud do not need them.

    Otherwise, a wizard for Azure would use the practice cloud instead.

    Args:
        environ: A process's variables.
    """
    for name, value in (before_shell(environ) or {}).items():
        if value is None:
            environ.pop(name, None)
        else:
            environ[name] = value


def take(environ: MutableMapping[str, str]) -> dict[str, str]:
    """Return all variables, and remove those that are in no group from this process and the programs that it starts.

    Libraries start programs themselves (keyring looks for system libraries with the compiler, `webbrowser` starts a
    browser) and pass on all variables of the process; and SDKs read variables that are set for other work.

    Args:
        environ: The process's own, `os.environ`.
    """
    taken = dict(environ)
    for name in ignored(taken):
        del environ[name]
    return taken


def ignored(environ: Mapping[str, str]) -> list[str]:
    """Return the names of the variables that stay in no program of the wizard, because they are in no group.

    Args:
        environ: The process's variables, before any are removed.
    """
    return [name for name in environ if not any(group.has(name) for group in _KEPT)]


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those whose names are those of secrets."""
    return {name: value for name, value in environ.items() if not _SECRET_NAME.search(name)}


def of_child(environ: Mapping[str, str], *groups: Group) -> dict[str, str]:
    """Return the variables for a program that this process starts.

    Args:
        environ: Where they are taken from.
        groups: What it needs in addition to what every program needs.
    """
    return {name: value for name, value in environ.items() if any(group.has(name) for group in (SYSTEM, *groups))}


def hide(environ: Mapping[str, str]) -> None:
    """Hide the secrets in variables in everything that this process outputs.

    Args:
        environ: The process's variables, before any are removed.
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
    """Return why the value of a proxy variable is not an address that requests accepts; empty if it is.

    The text does not quote the value.
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
    """Return the name and the password in a proxy variable's value, and the parts that a parser can split them into."""
    rest = value.partition("://")[2] if "://" in value else value
    sign_in, at, _ = rest.rpartition("@")
    if not at:
        if not proxy_trouble(value) or not rest.strip():
            return
        # The parts cannot be distinguished: the host is missing, or the address is truncated.
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
