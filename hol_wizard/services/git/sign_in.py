"""Provides the wizard's sign-in to git (`hol_wizard.git_sign_in`)."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from hol_wizard import git_sign_in
from hol_wizard.services.secrets import Secret


def answer(authorization: Secret, request: Iterable[str]) -> str:
    """Return the response to git's request for a sign-in.

    Args:
        authorization: Value of the `Authorization` header.
        request: Lines of `name=value` from git.
    """
    scheme, _, value = authorization.reveal().partition(" ")
    if scheme == "Bearer" and "capability[]=authtype" in {line.strip() for line in request}:
        return f"capability[]=authtype\nauthtype=Bearer\ncredential={value}\n"
    if scheme == "Basic":
        value = base64.b64decode(value).decode().partition(":")[2]
    # Azure DevOps accepts an Entra token instead of a password, as Git Credential Manager sends it.
    return f"username=hol-wizard\npassword={value}\n"


@contextmanager
def answering(authorization: Secret) -> Iterator[str]:
    """Serve git's requests for a sign-in, and yield the setting `credential.helper` that makes git ask here.

    Args:
        authorization: Value of the `Authorization` header.
    """
    with git_sign_in.answering(lambda request: answer(authorization, request)) as helper:
        yield helper
