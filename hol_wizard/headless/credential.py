"""`git-credential`: answers git's request for a sign-in."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, TextIO

from hol_wizard.headless.output import out

if TYPE_CHECKING:
    from hol_wizard.wizard.facade import Wizard


def git_credential(wizard: Wizard, deed: str, asked: TextIO) -> int:
    """Answer git's request for a sign-in (the git-credential protocol); `store` and `erase` change nothing.

    Args:
        wizard: The wizard whose sign-in is used.
        deed: `get`, `store` or `erase`.
        asked: Git's request: lines of `name=value`.

    Returns:
        0: if there is no answer, git reports that itself.
    """
    lines = list(itertools.takewhile(bool, (line.rstrip("\r\n") for line in asked)))
    request = dict(line.split("=", 1) for line in lines if "=" in line)
    if deed != "get":
        return 0
    authorization = wizard.connection.git_authorization(f"{request.get('protocol', '')}://{request.get('host', '')}")
    if authorization is not None:
        from hol_wizard.services.git import sign_in

        out(sign_in.answer(authorization, lines).rstrip("\n"))
    return 0
