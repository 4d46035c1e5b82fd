"""The last step of section set-up: the subscription, and whether the account may work in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from hol_wizard.engine.registry import Change, check, solve
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import AccessDeniedError, NotFoundError, UsageError, WizardError
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.resources.context import StepContext
from hol_wizard.services.identity import Account, Subscription, sign_in_to
from hol_wizard.steps.set_up import keep_what_stands

RIGHT = "Microsoft.Resources/subscriptions/resourceGroups/write"
"""The minimum permission of an organizer."""


@check(deadline=20)
def usable(context: StepContext) -> Result:
    """Check whether the subscription exists, is enabled and offers the region, and whether this account may create
    groups."""
    choices, arm = context.profile.choices, context.services.arm
    if not choices.subscription:
        return Result(
            Status.FAILED,
            "No subscription is chosen.",
            (Expectation("Subscription", "chosen", "not chosen", met=False),),
            "To choose one of your subscriptions, <solve>.",
        )
    path = f"/subscriptions/{choices.subscription}"
    with ThreadPoolExecutor(3) as pool:
        asked = pool.submit(arm.get, path)
        locations = pool.submit(arm.list, f"{path}/locations")
        permitted = pool.submit(arm.list, f"{path}/providers/Microsoft.Authorization/permissions")
    try:
        document = asked.result()
    except (NotFoundError, AccessDeniedError) as error:
        with suppress(WizardError):
            # It may be in a directory that must be signed in to.
            context.services.identity.subscriptions()
        return Result(
            Status.FAILED,
            f"This account cannot see the subscription {choices.subscription}.{_left_out(context)}",
            (Expectation("Subscription", choices.subscription, "not visible", met=False),),
            f"Choose another one, or sign in with another account or directory.{_sign_in_there(context)}",
            error.detail,
        )
    state = str(document.get("state", ""))
    regions = {str(item.get("name", "")) for item in locations.result()}
    permissions = permitted.result()
    may = any(allows(permission, RIGHT) for permission in permissions)
    name = str(document.get("displayName") or choices.subscription)
    # Without a region, there is nothing to check yet: another step chooses it.
    known = not choices.location or choices.location in regions
    seen = [
        Expectation("Subscription", choices.subscription, name, met=True),
        Expectation("State", "Enabled", state, state in {"Enabled", "PastDue", "Warned"}),
        Expectation("Region", choices.location or "any", choices.location if known else "not offered here", known),
        Expectation("You may create resource groups", "yes", "yes" if may else "no", may),
    ]
    return judge(
        seen,
        passed=f"Subscription {name} is ready.",
        failed=f"Subscription {name} cannot be used as it is.",
        next_action=_subscription_remedy(seen, regions, choices.location),
    )


def _subscription_remedy(seen: Sequence[Expectation], regions: set[str], location: str) -> str:
    unmet = next((expectation.what for expectation in seen if not expectation.met), "")
    if unmet == "Region":
        near = get_close_matches(location, sorted(regions), 3, 0.4)
        such_as = f", such as {', '.join(near)}" if near else ""
        return f"Choose another region{such_as} (<step set-up/choose-your-names>)."
    if unmet == "State":
        return "Ask an owner of the subscription to enable it, or choose another."
    return (
        "Ask an owner of the subscription for the role Contributor (to assign roles later: Owner, or Role Based Access "
        "Control Administrator), or let the organizer do the infrastructure sections."
    )


def _fits(pattern: str, action: str) -> bool:
    """Return whether a pattern, in which `*` matches any text, matches a whole action."""
    first, *rest = pattern.split("*")
    if not rest:
        return action == first
    last = rest.pop()
    if not action.startswith(first) or not action[len(first) :].endswith(last):
        return False
    middle = action[len(first) : len(action) - len(last)]
    for part in rest:
        _, found, middle = middle.partition(part) if part else ("", "*", middle)
        if not found:
            return False
    return True


def allows(permission: Mapping[str, Any], action: str) -> bool:
    """Return whether an entry of a scope's permissions allows a control-plane action.

    Source: Microsoft.Authorization `Permissions_ListForResource`: `actions` less `notActions`, with `*` as a wildcard.
    """

    def matches(patterns: Sequence[Any]) -> bool:
        return any(_fits(str(pattern).lower(), action.lower()) for pattern in patterns)

    return matches(permission.get("actions", ())) and not matches(permission.get("notActions", ()))


def _pick(context: StepContext) -> tuple[Account | None, Subscription]:
    """Return the subscription to use: the requested one, otherwise the only one, otherwise the session's default.

    Raises:
        UsageError: It is not among those that the account sees, or there is none, or too many.
    """
    identity = context.services.identity
    wish = context.inputs.get("subscription") or context.profile.choices.subscription
    account = identity.account()
    visible = identity.subscriptions()
    if wish:
        for subscription in visible:
            if wish.lower() in {subscription.id.lower(), subscription.name.lower()}:
                return account, subscription
        listed = ", ".join(f"{subscription.name} ({subscription.id})" for subscription in visible) or "none"
        raise UsageError(
            f"This account cannot see a subscription {wish}.{_left_out(context)}",
            f"It can see: {listed}.{_sign_in_there(context)}",
        )
    if not visible:
        raise UsageError(
            f"This account cannot see any subscription.{_left_out(context)}",
            f"Ask the proctor for a subscription or a pass, or sign in to another directory.{_sign_in_there(context)}",
        )
    default = account.subscription if account else ""
    for subscription in visible:
        if len(visible) == 1 or subscription.id == default:
            return account, subscription
    raise UsageError(
        "This account can see several subscriptions.",
        f"Choose one with {INPUTS['subscription'].flag}: "
        + ", ".join(f"{subscription.name} ({subscription.id})" for subscription in visible),
    )


def _left_out(context: StepContext) -> str:
    """Return which directories could not be asked for their subscriptions."""
    return "".join(f" {each}" for each in context.services.identity.left_out)


def _sign_in_there(context: StepContext) -> str:
    """Return how to sign in to the directories that could not be asked."""
    found = context.services.identity.left_out
    return f" Or sign in to {sign_in_to(found)}" if found else ""


def _plan_subscription(context: StepContext) -> Sequence[Change]:
    _, subscription = _pick(context)
    return [
        Change("change", "Subscription", subscription.name, str(context.profile.path), note=subscription.id),
        Change("change", "Default subscription", subscription.name, "of the session shared with the Azure CLI"),
    ]


@solve(plan=_plan_subscription, creates=False)
def choose(context: StepContext) -> None:
    """Save which subscription the lab uses, and make it the session's default."""
    account, subscription = _pick(context)
    keep_what_stands(context, subscription=subscription.id)
    context.services.identity.select_subscription(subscription.id)
    context.profile.change(
        subscription=subscription.id,
        subscription_name=subscription.name,
        tenant=subscription.tenant or (account.tenant if account else ""),
    )
    context.reporter.say(f"Subscription: {subscription.name} ({subscription.id}).{_left_out(context)}")
