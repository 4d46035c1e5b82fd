"""Personal access tokens of a Databricks workspace."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from hol_wizard.errors import NotFoundError
from hol_wizard.services.databricks import sdk
from hol_wizard.services.databricks.connection import Connection
from hol_wizard.services.secrets import Secret


class AccessToken(NamedTuple):
    """A personal access token as the workspace lists it, without its value."""

    id: str
    comment: str
    created: datetime | None
    expires: datetime | None
    """None if it never expires."""


class TokenRules(NamedTuple):
    """The workspace's settings for personal access tokens."""

    enabled: bool | None
    """None if unknown."""
    longest_days: int | None
    """None if it sets no limit."""


class Tokens(Connection):
    """The signed-in account's personal access tokens."""

    def tokens(self) -> tuple[AccessToken, ...]:
        """Return the account's personal access tokens.

        Raises:
            AccessDeniedError: Tokens are disabled, or not allowed for this account.
            ServiceError: The workspace could not be asked.
        """
        return tuple(map(_access_token, self._api(sdk.settings().TokensAPI, "list of access tokens").list()))

    def create_token(self, comment: str, seconds: int) -> tuple[AccessToken, Secret]:
        """Create a personal access token; its value is not shown again. A repeated request creates another one.

        Raises:
            AccessDeniedError: Tokens are disabled, or not allowed for this account.
            ServiceError: The workspace refused.
        """
        api = self._api(sdk.settings().TokensAPI, "access token")
        made = api.create(comment=comment, lifetime_seconds=seconds)
        with sdk.reading("access token"):
            return _access_token(made.token_info), Secret.hidden(sdk.needed(made.token_value, "token_value"))

    def delete_token(self, token_id: str) -> None:
        """Revoke a personal access token; does nothing if it no longer exists.

        Raises:
            ServiceError: The workspace refused.
        """
        with suppress(NotFoundError):
            self._api(sdk.settings().TokensAPI, f"access token {token_id}").delete(token_id)

    def token_rules(self) -> TokenRules:
        """Return the workspace's settings for personal access tokens.

        Raises:
            AccessDeniedError: Only its administrators may read them.
            ServiceError: The workspace could not be asked.
        """
        api = self._api(sdk.settings().WorkspaceConfAPI, "settings of the workspace")
        with sdk.reading("settings of the workspace"):
            found = dict(api.get_status("enableTokensConfig,maxTokenLifetimeDays"))
            enabled, days = found.get("enableTokensConfig"), str(found.get("maxTokenLifetimeDays") or "")
            return TokenRules(
                None if enabled in (None, "") else str(enabled).lower() == "true",
                int(days) if days.isdigit() and int(days) > 0 else None,
            )


@sdk.reads("access token")
def _access_token(told: Any) -> AccessToken:
    made, ends = sdk.moment(told.creation_time), sdk.moment(told.expiry_time)
    return AccessToken(sdk.needed(told.token_id, "token_id"), str(told.comment or ""), made, ends)
