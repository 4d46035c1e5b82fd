"""Who has access to a Databricks workspace."""

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
"""Header with a second token, by which a service principal proves its identity in Azure (databricks-sdk,
`azure.py`)."""


class User(NamedTuple):
    """A user of the workspace."""

    name: str
    """`userName`, to which a cluster is dedicated; for a service principal, its application ID."""
    id: str
    administrator: bool
    """Whether they are in the group `admins`."""


class People(Connection):
    """The signed-in account in a workspace."""

    def me(self, *, token: Secret | None = None) -> User:
        """Return the user that the account is in the workspace; the request changes nothing.

        Args:
            token: A personal access token to use; None for the Azure sign-in.

        Raises:
            AccessDeniedError: The account has no access to the workspace.
            SignInError: The workspace does not accept the token.
            ServiceError: It could not be asked.
        """
        return self._me({RESOURCE_HEADER: ""}, token)

    def join(self) -> User:
        """Get access to the workspace for the account, and return its user there.

        An Owner or Contributor of the Azure resource who names it in a request becomes an administrator of the
        workspace. A service principal must also send a token for Azure Resource Manager ("Get Microsoft
        Entra ID tokens for service principals").

        Raises:
            AccessDeniedError: The account is neither Owner nor Contributor of the workspace.
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
            # SCIM has no code for this 404 (RFC 7644, section 3.12), and the caller always exists.
            raise AbsenceUnclearError(
                "The Databricks workspace does not say who you are.", AGAIN, code=error.code, detail=error.detail
            ) from error
        return _user(found)


@sdk.reads("You")
def _user(told: Any) -> User:
    groups = [str(each.display or "") for each in told.groups or ()]
    return User(str(told.user_name or ""), sdk.needed(told.id, "id"), "admins" in groups)
