"""What a shell needs so that every command in it uses the practice cloud under the services' real names.

It uses only the standard library: `practice env` prints it in the language of the shell.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hol_wizard import anywhere, variables
from hol_wizard.practice.process.launch import SHELL_BUNDLE_FILE

SHELLS = ("sh", "fish", "powershell", "cmd")
_HERE = "127.0.0.1,localhost,::1"
_OTHER_SIGN_INS = (
    *("AZURE_DEVOPS_EXT_PAT", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID"),
    *("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_PROFILE", "DATABRICKS_AUTH_TYPE"),
    *("DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET"),
)
"""Variables with which clients would sign in elsewhere, as another account."""


def settings(endpoints: Mapping[str, Any], state: Path, environ: Mapping[str, str]) -> dict[str, str | None]:
    """Return the variables to set, and with None those to remove.

    Args:
        endpoints: The endpoints of the running practice cloud.
        state: Its folder.
        environ: The shell's variables before it was prepared.
    """
    bundle, proxy = (state / SHELL_BUNDLE_FILE).as_posix(), str(endpoints["proxy"])
    wanted: dict[str, str | None] = {
        "AZURE_CONFIG_DIR": str(state / "azure"),
        # Extensions belong to the programs on this machine, not to a cloud.
        "AZURE_EXTENSION_DIR": environ.get("AZURE_EXTENSION_DIR") or str(_azure_folder(environ) / "cliextensions"),
        "AZURE_CORE_INSTANCE_DISCOVERY": "false",
        "AZURE_CORE_ENABLE_BROKER_ON_WINDOWS": "false",
        "AZURE_CORE_COLLECT_TELEMETRY": "false",
        # It caches what a service offers, and another version of the practice cloud may offer more.
        "AZURE_DEVOPS_CACHE_DIR": str(state / "azure" / f"devops-cache-{endpoints['build']}"),
        "DATABRICKS_CONFIG_FILE": str(endpoints["databricks_config_file"]),
        **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), proxy),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), _HERE),
        **dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"), bundle),
        "NODE_EXTRA_CA_CERTS": str(endpoints["ca_file"]),
        "BROWSER": _browser(state),
        **_git(environ, proxy),
        **dict.fromkeys(_OTHER_SIGN_INS),
    }
    return wanted | {variables.SHELL: variables.noted({name: environ.get(name) for name in wanted})}


def _azure_folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("AZURE_CONFIG_DIR") or Path.home() / ".azure")


def _browser(state: Path) -> str:
    """Return the command that opens an address: a sign-in ends at the practice cloud, never on Microsoft's page.

    It has the format of Python's `webbrowser`, which the Azure CLI uses: words as in a shell, `%s` for the address. A
    backslash is an escape character there, so paths contain slashes, also on Windows.
    """
    words = (*anywhere.words("hol_wizard.practice"), "browse", "--state", state.as_posix())
    return " ".join([*(shlex.quote(word) for word in words), "%s"])


def _git(environ: Mapping[str, str], proxy: str) -> dict[str, str | None]:
    """Return git settings: the credential helper for Azure DevOps, and the proxy if the person's own settings name
    another."""
    words = (*anywhere.words("hol_wizard"), "git-credential", "--practice")
    # An empty helper removes the previous ones (gitcredentials), which know the real sign-in.
    wanted = (
        ("credential.https://dev.azure.com.helper", ""),
        ("credential.https://dev.azure.com.helper", "!" + " ".join(shlex.quote(word) for word in words)),
        ("http.https://dev.azure.com/.proxy", proxy),
    )
    given = environ.get("GIT_CONFIG_COUNT", "")
    first = int(given) if given.isdecimal() and given.isascii() else 0
    found: dict[str, str | None] = {"GIT_CONFIG_COUNT": str(first + len(wanted))}
    for number, (name, value) in enumerate(wanted, first):
        found |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return found


def shell_of(environ: Mapping[str, str]) -> str:
    """Return the language of the person's shell, according to its variables."""
    if os.name == "nt" and not environ.get("SHELL"):
        return "powershell"
    return "fish" if Path(environ.get("SHELL", "")).name == "fish" else "sh"


def lines(shell: str, wanted: Mapping[str, str | None]) -> list[str]:
    """Return the lines that set and remove variables, in the language of a shell.

    Args:
        shell: One of `SHELLS`.
        wanted: Values by name; None to remove the variable.

    Raises:
        ValueError: A value contains a character that a shell's line cannot contain.
    """
    told = []
    for name, value in wanted.items():
        if value is not None and any(sign in value for sign in "\0\r\n"):
            raise ValueError(f"the value of {name} has more than one line")
        told.append(_set(shell, name, value) if value is not None else _remove(shell, name))
    return told


def _set(shell: str, name: str, value: str) -> str:
    if shell == "fish":
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"set -gx {name} '{escaped}';"
    if shell == "powershell":
        # It also treats typographic quotation marks as quotes (about_Quoting_Rules).
        for quote in "'\u2018\u2019\u201a\u201b":
            value = value.replace(quote, quote * 2)
        return f"$env:{name} = '{value}'"
    if shell == "cmd":
        # The value extends to the last quote; percent signs are expanded again only in a batch file.
        return f'set "{name}={value}"'
    escaped = value.replace("'", "'\\''")
    return f"export {name}='{escaped}';"


def _remove(shell: str, name: str) -> str:
    if shell == "fish":
        return f"set -e {name};"
    if shell == "powershell":
        return f"Remove-Item Env:{name} -ErrorAction SilentlyContinue"
    return f'set "{name}="' if shell == "cmd" else f"unset {name};"
