"""Who is let in to a Databricks workspace."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from hol_wizard.errors import AbsenceUnclearError, AccessDeniedError, NotFoundError, SignInError, WizardError
from hol_wizard.services.databricks import sdk
from hol_wizard.services.databricks.connection import RESOURCE_HEADER, Connection
from hol_wizard.services.error_rules import AGAIN
from hol_wizard.services.secrets import Secret

logger = logging.getLogger(__name__)

MANAGEMENT_HEADER = "X-Databricks-Azure-SP-Management-Token"
"""Beside it a service principal shows that Azure knows it (databricks-sdk, `azure.py`)."""


class User(NamedTuple):
    """Somebody as the workspace knows them."""

    name: str
    """`userName`: what a cluster is dedicated to; a service principal's is its application id."""
    id: str
    administrator: bool
    """Whether they are in the group `admins`."""


class People(Connection):
    """The asking account in a workspace."""

    def me(self, *, token: Secret | None = None) -> User:
        """Return who the workspace takes the asking account for; the question itself changes nothing.

        Args:
            token: A personal access token to ask with; None: the Azure sign-in.

        Raises:
            AccessDeniedError: The workspace does not let the account in.
            SignInError: It does not take the token.
            ServiceError: It could not be asked.
        """
        return self._me({RESOURCE_HEADER: ""}, token)

    def join(self) -> User:
        """Have the workspace let the account in, and return who it takes it for.

        Who names the Azure resource, and is its Owner or Contributor, becomes an administrator of the workspace with
        the first request. A service principal has to show a token for Azure Resource Manager beside it ("Get Microsoft
        Entra ID tokens for service principals").

        Raises:
            AccessDeniedError: The account is no Owner or Contributor of the workspace.
            ServiceError: The workspace could not be asked.
        """
        try:
            return self._me({}, None)
        except (AccessDeniedError, SignInError):
            manager = self._rest.token(self._rest.endpoints.management_audience)
            try:
                return self._me({MANAGEMENT_HEADER: manager.reveal()}, None)
            except WizardError as error:
                logger.debug("with a token for Azure Resource Manager: %s", error.detail)
            raise

    def _me(self, headers: Mapping[str, str], token: Secret | None) -> User:
        try:
            found = self._api(sdk.iam().CurrentUserAPI, "You", headers=headers, token=token).me()
        except NotFoundError as error:
            # SCIM has no code of its own for this 404 (RFC 7644, section 3.12), and whoever asks is somebody.
            raise AbsenceUnclearError(
                "The Databricks workspace does not say who you are.", AGAIN, code=error.code, detail=error.detail
            ) from error
        return _user(found)


@sdk.reads("You")
def _user(told: Any) -> User:
    groups = [str(each.display or "") for each in told.groups or ()]
    return User(str(told.user_name or ""), sdk.needed(told.id, "id"), "admins" in groups)
