"""Who calls Azure DevOps, and whether they are in the organization that they ask."""

from __future__ import annotations

from hol_wizard.practice import seed
from hol_wizard.practice.devops import errors
from hol_wizard.practice.devops.organizations import ORGANIZATIONS, Organization
from hol_wizard.practice.service import Answer, Call, Refused
from hol_wizard.practice.tokens import Tokens
from hol_wizard.practice.world import World

SIGN_IN_PAGE = "<!DOCTYPE html>\r\n<html><head><title>Azure DevOps Services | Sign In</title></head></html>"


def is_git(call: Call) -> bool:
    """Return whether git asks, which knows no page to sign in and no version of an API."""
    return "/_git/" in call.path.lower()


def caller(world: World, call: Call) -> seed.Principal:
    """Return who calls, by a bearer token for Azure DevOps.

    Who shows no token is sent to the sign-in page: with 203, as a program sees it (azure-devops-cli-extension, "The
    requested resource requires user authentication"), or 401 where it asks not to be (`X-TFS-FedAuthRedirect`).

    Raises:
        Refused: There is none that is good.
    """
    grant, wrong = Tokens(world).bearer(call)
    principal = world.principal(grant["principal"]) if grant is not None else None
    if not wrong and principal is not None and grant is not None and grant["audience"] == seed.AUDIENCES["devops"]:
        return principal
    if wrong == "missing" and not is_git(call) and call.headers.get("X-TFS-FedAuthRedirect", "").lower() != "suppress":
        raise Refused(Answer(203, SIGN_IN_PAGE))
    challenge = (
        f'Bearer authorization_uri={world.addresses["active_directory"]}/{seed.TENANT}, Basic realm="{call.base}/"'
    )
    raise Refused(Answer(401, None, {"WWW-Authenticate": challenge}))


def organization(call: Call) -> Organization:
    """Return the organization that a call names, which the caller is in.

    Raises:
        Refused: There is none of that name, or the caller is not in it (recorded: TF400813).
    """
    name = call.match["organization"]
    found = ORGANIZATIONS.get(name.lower())
    if found is None:
        # The page that dev.azure.com shows; its status is public knowledge, its text cut down.
        raise Refused(Answer(404, "<!DOCTYPE html>\r\n<html><head><title>404 - Page not found</title></head></html>"))
    who = call.who
    if who.id not in found.members:
        message = f"TF400813: The user '{seed.TENANT}\\{who.client}' is not authorized to access this resource."
        raise errors.refused(401, message, "UnauthorizedRequestException")
    return found
