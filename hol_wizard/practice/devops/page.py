"""What a user does on Azure DevOps' page "User settings, Personal access tokens", for the control port."""

from __future__ import annotations

from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.devops.organizations import ORGANIZATIONS
from hol_wizard.practice.devops.personal_tokens import FULL, SCOPES, PersonalTokens
from hol_wizard.practice.kernel.clock import short_timestamp
from hol_wizard.practice.kernel.world import World

_DAYS = 30


def make_token(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Create a token and return it with its value.

    Raises:
        ValueError: The page would not allow it.
    """
    organization = ORGANIZATIONS.get(str(body.get("organization")).lower())
    if organization is None:
        raise ValueError(f"organization is one of: {', '.join(ORGANIZATIONS)}")
    person = seed.USERS.get(str(body.get("user") or world.setting("approver")))
    if person is None or person.id not in organization.members:
        raise ValueError(f"the user is not in the organization {organization.name}")
    scopes = str(body.get("scope") or "").split()
    if not scopes or not set(scopes) <= SCOPES:
        raise ValueError(f"scope is some of: {' '.join(sorted(SCOPES))}")
    days = body.get("days", _DAYS)
    if isinstance(days, bool) or not isinstance(days, int | float):
        raise ValueError("days is a number")
    if not organization.allows_tokens:
        raise ValueError(f"a policy of {organization.name} forbids personal access tokens")
    if FULL in scopes and not organization.allows_full_tokens:
        raise ValueError(f"a policy of {organization.name} forbids personal access tokens with full access")
    if days > organization.token_days:
        raise ValueError(f"a policy of {organization.name} lets tokens live for {organization.token_days} days at most")
    tokens = world.part(PersonalTokens)
    name = str(body.get("name") or "made on the page")
    made, value = tokens.make(person, organization.name, name, " ".join(scopes), tokens.days_from_now(days))
    return {
        "id": made["id"],
        "organization": organization.name,
        "user": person.name,
        "scope": made["scope"],
        "valid_to": short_timestamp(made["ends"]),
        "token": value,
    }


def revoke_token(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Revoke a token by its ID."""
    return {"revoked": world.part(PersonalTokens).revoke(str(body.get("id")))}
