"""Section set-up: who works here, where, and signed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from difflib import get_close_matches
from typing import Any

from hol_wizard.engine.ledger import SIGN_IN, SIGN_IN_PREFIX, Fact
from hol_wizard.engine.registry import Change, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import AccessDeniedError, NotFoundError, SignInError, UsageError
from hol_wizard.lab.choices import Choices
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.resources import tagged
from hol_wizard.resources.context import StepContext
from hol_wizard.services.identity import Account, Subscription

CHOICES = ("prefix", "location", "alias")

RIGHT = "Microsoft.Resources/subscriptions/resourceGroups/write"
"""What an organizer must at least be allowed to do."""


# Names


@check(deadline=5)
def names_chosen(context: StepContext) -> Result:
    """Look whether prefix, region and alias are chosen and keep Azure's naming rules; asks nobody."""
    choices = context.profile.choices
    seen = []
    for name in CHOICES:
        value = str(getattr(choices, name))
        offered = context.profile.settings.value(name)
        missing = f"not chosen; {offered} is offered" if offered else "not chosen"
        problem = INPUTS[name].validate(value) if value else missing
        seen.append(Expectation(INPUTS[name].label, "chosen, and keeps Azure's rules", problem or value, not problem))
    return judge(
        seen,
        passed=f"Everything will be called {choices.prefix}-…, in {choices.location}.",
        failed=f"The names are not chosen yet{_would_be(context)}.",
        next_action="To choose them, <solve>.",
    )


def _would_be(context: StepContext) -> str:
    names = context.profile.offered_names
    return f"; with what is offered: {names.prefix}-…, in {names.location}" if names.prefix and names.location else ""


def _answer(context: StepContext, name: str) -> str:
    """Return the value for an input: what was answered just now, else what is chosen already.

    Raises:
        UsageError: There is none, or it breaks a rule.
    """
    definition = INPUTS[name]
    value = context.inputs.get(name) or str(getattr(context.profile.choices, name))
    problem = definition.validate(value) if value else "is missing"
    if problem:
        raise UsageError(
            f"{definition.label}: {problem}", f"Give it with {definition.flag} or the variable {definition.variable}."
        )
    return definition.normalise(value)


def _plan_names(context: StepContext) -> Sequence[Change]:
    where = str(context.profile.path)
    return [
        Change(
            "change", INPUTS[name].label, context.inputs.get(name) or str(getattr(context.profile.choices, name)), where
        )
        for name in CHOICES
    ]


@solve(plan=_plan_names)
def choose_names(context: StepContext) -> None:
    """Save prefix, region and alias.

    Raises:
        UsageError: A value breaks its rule, or things that bear the names as they were are still standing.
    """
    values = {name: _answer(context, name) for name in CHOICES}
    _keep_what_stands(context, prefix=values["prefix"], location=values["location"])
    context.profile.change(**values)
    for name, value in values.items():
        context.channel.say(f"{INPUTS[name].label}: {value}")
    context.channel.say(f"Saved in {context.profile.path}.")


def _keep_what_stands(context: StepContext, **values: str) -> None:
    """Refuse to change what the names of standing resources follow from: nothing would find them again.

    Raises:
        UsageError: Such resources are standing.
    """
    saved = Choices.load(context.profile.path)
    changed = [name for name, value in values.items() if getattr(saved, name) not in {"", value}]
    standing = _standing(context) if changed else []
    if standing:
        was = ", ".join(f"{INPUTS[name].label.lower()} {getattr(saved, name)}" for name in changed)
        raise UsageError(
            f"{len(standing)} things that this wizard made with {was} still stand.",
            "Tear them down first (hol-wizard teardown), or take another profile beside this one: --profile NAME",
        )


def _standing(context: StepContext) -> Sequence[object]:
    """Return what this wizard made and has not removed; by its mark where the ledger is lost.

    Raises:
        LedgerError: The ledger is damaged, so that there may be more.
    """
    context.ledger.require_whole()
    if not context.ledger.exists and context.services.identity.account() is not None:
        return tagged.anywhere_in_azure(context)
    return [entry for entry in context.ledger.standing() if entry.kind != SIGN_IN]


def _plan_forgetting(context: StepContext) -> Sequence[Change]:
    if not context.profile.path.exists():
        return []
    return [Change("delete", "Your choices", context.profile.name, str(context.profile.path))]


@undo(plan=_plan_forgetting)
def forget_names(context: StepContext) -> None:
    """Forget the choices, unless resources that carry their names are still standing.

    Raises:
        UsageError: There are such resources.
    """
    standing = _standing(context)
    if standing:
        raise UsageError(
            f"{len(standing)} things that this wizard made still stand.", "Tear them down first: hol-wizard teardown"
        )
    context.profile.forget()
    context.channel.say("Your choices are forgotten.")


# Sign-in


@check(deadline=20)
def signed_in(context: StepContext) -> Result:
    """Look whether somebody is signed in and Azure still takes the sign-in."""
    identity = context.services.identity
    account = identity.account()
    if account is None:
        return Result(
            Status.FAILED,
            f"Nobody is signed in. {context.services.endpoints.notice}".rstrip(),
            (Expectation("Signed in", "yes", "no", met=False),),
            "To sign in, <solve><az login>",
        )
    try:
        # A token from memory proves nothing: only an answer shows that Azure still takes the sign-in.
        context.services.arm.list("/subscriptions")
    except SignInError as error:
        return Result(
            Status.FAILED,
            f"{account.user} was signed in, but Azure no longer takes it. {context.services.endpoints.notice}".rstrip(),
            (Expectation("Signed in", "yes", error.message, met=False),),
            error.hint or "Sign in again.",
            error.detail,
        )
    return Result(
        Status.PASSED,
        f"Signed in as {account.user}.",
        (
            Expectation("Signed in", "yes", account.user, met=True),
            Expectation("Directory (tenant)", "any", account.tenant, met=True),
        ),
    )


@solve(plan=lambda context: [Change("create", SIGN_IN, context.services.endpoints.name, "shared with the Azure CLI")])
def sign_in(context: StepContext) -> None:
    """Sign a person in: in the browser where there is one, else with a code on any device."""
    identity, channel = context.services.identity, context.channel
    method = context.inputs.get("sign_in_method") or identity.preferred_method()
    if method == "browser":
        channel.say("Opening your browser to sign in …")
    account = identity.sign_in(
        method,
        context.profile.choices.tenant,
        prompt=lambda prompt: channel.ask_person(prompt.message, prompt.verification_uri, prompt.user_code),
        cancelled=channel.cancelled,
    )
    context.ledger.write(Fact.INTENT, context.target, f"{SIGN_IN_PREFIX}{account.user}", SIGN_IN)
    channel.say(f"Signed in as {account.user}.")


def _token_of_devops(context: StepContext) -> str:
    """Return the name of the Azure DevOps token that the person gave the wizard to keep; empty where it keeps none."""
    name = INPUTS["devops_token"].keyring_name({"devops_organization": context.profile.choices.devops_organization})
    return name if context.services.secrets.get(name) is not None else ""


def _plan_sign_out(context: StepContext) -> Sequence[Change]:
    account, token = context.services.identity.account(), _token_of_devops(context)
    changes = []
    if token:
        note = "forgotten here; it holds until it ends, or is revoked in Azure DevOps"
        changes.append(Change("delete", INPUTS["devops_token"].label, token, "the keyring", note=note))
    if account is not None and context.ledger.made(f"{SIGN_IN_PREFIX}{account.user}"):
        changes.append(Change("delete", SIGN_IN, account.user, "also for the Azure CLI, which shares it"))
    return changes


@undo(plan=_plan_sign_out)
def sign_out(context: StepContext) -> None:
    """Sign out the account that the wizard signed in, and forget the token of Azure DevOps that it was given.

    An account that `az login` signed in is left alone.
    """
    if token := _token_of_devops(context):
        context.services.secrets.delete(token)
        context.channel.say(f"{token} is out of the keyring.")
    account = context.services.identity.account()
    if account is None:
        return
    key = f"{SIGN_IN_PREFIX}{account.user}"
    if not context.ledger.made(key):
        context.channel.say(f"{account.user} was not signed in by this wizard: left alone.")
        return
    context.services.identity.sign_out()
    context.ledger.write(Fact.DELETED, context.target, key, SIGN_IN)
    context.channel.say(f"{account.user} is signed out.")


# Subscription


@check(deadline=20)
def subscription_usable(context: StepContext) -> Result:
    """Look whether the subscription exists, is enabled, offers the region, and lets this account create groups."""
    choices, arm = context.profile.choices, context.services.arm
    if not choices.subscription:
        return Result(
            Status.FAILED,
            "No subscription is chosen.",
            (Expectation("Subscription", "chosen", "not chosen", met=False),),
            "To choose one of those that you can see, <solve>.",
        )
    path = f"/subscriptions/{choices.subscription}"
    with ThreadPoolExecutor(3) as pool:
        asked = pool.submit(arm.get, path)
        locations = pool.submit(arm.list, f"{path}/locations")
        permitted = pool.submit(arm.list, f"{path}/providers/Microsoft.Authorization/permissions")
    try:
        document = asked.result()
    except (NotFoundError, AccessDeniedError) as error:
        return Result(
            Status.FAILED,
            f"This account cannot see the subscription {choices.subscription}.",
            (Expectation("Subscription", choices.subscription, "not visible", met=False),),
            "Choose another one, or sign in with another account or directory.",
            error.detail,
        )
    state = str(document.get("state", ""))
    regions = {str(item.get("name", "")) for item in locations.result()}
    permissions = permitted.result()
    may = any(allows(permission, RIGHT) for permission in permissions)
    name = str(document.get("displayName") or choices.subscription)
    # Without a region there is nothing to judge yet: choosing one is another step's.
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
        return "Ask the owner of the subscription to enable it, or choose another."
    return (
        "Ask an owner of the subscription for the role Contributor (to assign roles later: Owner, or Role Based Access "
        "Control Administrator), or let the organizer do the infrastructure sections."
    )


def _fits(pattern: str, action: str) -> bool:
    """Return whether a pattern, whose `*` means any text, fits the whole of an action."""
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
    """Tell whether one entry of a scope's permissions allows a control-plane action.

    Source: Microsoft.Authorization `Permissions_ListForResource`: `actions` less `notActions`, with `*` as a wildcard.
    """

    def matches(patterns: Any) -> bool:
        return any(_fits(str(pattern).lower(), action.lower()) for pattern in patterns or ())

    return matches(permission.get("actions")) and not matches(permission.get("notActions"))


def _pick(context: StepContext) -> tuple[Account | None, Subscription]:
    """Return the subscription to use: the one asked for, else the only one, else the session's default.

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
        raise UsageError(f"This account does not see a subscription {wish}.", f"It sees: {listed}.")
    if not visible:
        raise UsageError(
            "This account sees no subscription.",
            "Ask the proctor for a subscription or a pass, or sign in to another directory.",
        )
    default = account.subscription if account else ""
    for subscription in visible:
        if len(visible) == 1 or subscription.id == default:
            return account, subscription
    raise UsageError(
        "This account sees several subscriptions.",
        f"Choose one with {INPUTS['subscription'].flag}: "
        + ", ".join(f"{subscription.name} ({subscription.id})" for subscription in visible),
    )


def _plan_subscription(context: StepContext) -> Sequence[Change]:
    _, subscription = _pick(context)
    return [
        Change("change", "Subscription", subscription.name, str(context.profile.path), note=subscription.id),
        Change("change", "Default subscription", subscription.name, "of the session shared with the Azure CLI"),
    ]


@solve(plan=_plan_subscription)
def choose_subscription(context: StepContext) -> None:
    """Save which subscription the lab uses, and make it the session's default."""
    account, subscription = _pick(context)
    _keep_what_stands(context, subscription=subscription.id)
    context.services.identity.select_subscription(subscription.id)
    context.profile.change(
        subscription=subscription.id,
        subscription_name=subscription.name,
        tenant=subscription.tenant or (account.tenant if account else ""),
    )
    context.channel.say(f"Subscription: {subscription.name} ({subscription.id}).")
