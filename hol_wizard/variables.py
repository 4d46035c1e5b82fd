"""The environment variables of this process, and which of them no program that it starts may get."""

from __future__ import annotations

from collections.abc import MutableMapping

SECRETS = (
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_PASSWORD",
    "AZURE_DEVOPS_EXT_PAT",
    "HOL_WIZARD_DEVOPS_TOKEN",
    "DATABRICKS_TOKEN",
    "DATABRICKS_CLIENT_SECRET",
)
"""Variables with a secret for us, or for the tools of the lab, that no program we start has any need of."""


def take(environ: MutableMapping[str, str]) -> dict[str, str]:
    """Return all variables, and take those with secrets away from the process and from all that it starts afterwards.

    Libraries start programs of their own (GitPython asks git for its version, keyring looks for system libraries with
    the compiler), and hand on whatever the process has: what it has not, none of them can.

    Args:
        environ: The process's own, `os.environ`.
    """
    taken = dict(environ)
    for name in SECRETS:
        environ.pop(name, None)
    return taken
