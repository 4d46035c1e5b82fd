"""Section set-up: names, region and sign-in."""

from __future__ import annotations

from collections.abc import Sequence

from hol_wizard.engine.ledger import SIGN_IN, SIGN_IN_PREFIX, Fact
from hol_wizard.engine.registry import Change, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import SignInError, UsageError
from hol_wizard.lab.choices import Choices
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.resources import tagged
from hol_wizard.resources.context import StepContext

CHOICES = ("prefix", "location", "alias")


# Names


@check(deadline=5)
def names_chosen(context: StepContext) -> Result:
    """Check whether prefix, region and alias are chosen and follow Azure's naming rules; sends no request."""
    choices = context.profile.choices
    seen = []
    for name in CHOICES:
        value = str(getattr(choices, name))
        offered = context.profile.settings.value(name)
        missing = f"not chosen; {offered} is offered" if offered else "not chosen"
        problem = INPUTS[name].validate(value) if value else missing
        seen.append(Expectation(INPUTS[name].label, "chosen, and valid in Azure", problem or value, not problem))
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
    """Return the value for an input: the current answer, otherwise the saved choice.

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


@solve(plan=_plan_names, creates=False)
def choose_names(context: StepContext) -> None:
    """Save prefix, region and alias.

    Raises:
        UsageError: A value breaks its rule, or resources with the old names still exist.
    """
    values = {name: _answer(context, name) for name in CHOICES}
    keep_what_stands(context, prefix=values["prefix"], location=values["location"])
    context.profile.change(**values)
    for name, value in values.items():
        context.reporter.say(f"{INPUTS[name].label}: {value}")
    context.reporter.say(f"Saved in {context.profile.path}.")


def keep_what_stands(context: StepContext, **values: str) -> None:
    """Refuse to change choices that determine the names of existing resources, which could not be found anymore.

    Raises:
        UsageError: Such resources exist.
    """
    saved = Choices.load(context.profile.path)
    changed = [name for name, value in values.items() if getattr(saved, name) not in {"", value}]
    standing = _standing(context) if changed else []
    if standing:
        was = ", ".join(f"{INPUTS[name].label.lower()} {getattr(saved, name)}" for name in changed)
        raise UsageError(
            f"{len(standing)} resources that this wizard created with {was} still exist.",
            "Remove them first (hol-wizard teardown), or use another profile: --profile NAME",
        )


def _standing(context: StepContext) -> Sequence[object]:
    """Return what this wizard created and has not removed, by its mark if the ledger is lost.

    Raises:
        LedgerError: The ledger is damaged, so there may be more.
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
    """Delete the choices, unless resources with their names still exist.

    Raises:
        UsageError: There are such resources.
    """
    standing = _standing(context)
    if standing:
        raise UsageError(
            f"{len(standing)} resources that this wizard created still exist.", "Remove them first: hol-wizard teardown"
        )
    context.profile.forget()
    context.reporter.say("Your choices are deleted.")


# Sign-in


@check(deadline=20)
def signed_in(context: StepContext) -> Result:
    """Check whether somebody is signed in and Azure still accepts the sign-in."""
    identity = context.services.identity
    account = identity.account()
    if account is None:
        identity.verify_session()
        return Result(
            Status.FAILED,
            f"Nobody is signed in. {context.services.endpoints.notice}".rstrip(),
            (Expectation("Signed in", "yes", "no", met=False),),
            "To sign in, <solve><az login>",
        )
    try:
        # A cached token proves nothing: only a response shows that Azure still accepts the sign-in.
        context.services.arm.list("/subscriptions")
    except SignInError as error:
        return Result(
            Status.FAILED,
            f"{account.user} was signed in, but Azure no longer accepts the sign-in. "
            f"{context.services.endpoints.notice}".rstrip(),
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


@solve(
    plan=lambda context: [Change("create", SIGN_IN, context.services.endpoints.name, "shared with the Azure CLI")],
    creates=False,
)
def sign_in(context: StepContext) -> None:
    """Sign in a person: in the browser if there is one, otherwise with a device code."""
    identity, reporter = context.services.identity, context.reporter
    method = context.inputs.get("sign_in_method") or identity.preferred_method()
    if method == "browser":
        reporter.say("Opening your browser to sign in …")
    account = identity.sign_in(
        method,
        context.profile.choices.tenant,
        prompt=lambda prompt: reporter.ask_person(prompt.message, prompt.verification_uri, prompt.user_code),
        cancelled=reporter.cancelled,
    )
    context.ledger.write(Fact.INTENT, context.target, f"{SIGN_IN_PREFIX}{account.user}", SIGN_IN)
    reporter.say(f"Signed in as {account.user}.")


def _token_of_devops(context: StepContext) -> str:
    """Return the name of the stored Azure DevOps token that the person entered; empty if there is none."""
    name = INPUTS["devops_token"].keyring_name({"devops_organization": context.profile.choices.devops_organization})
    return name if context.services.secrets.get(name) is not None else ""


def _plan_sign_out(context: StepContext) -> Sequence[Change]:
    account, token = context.services.identity.account(), _token_of_devops(context)
    changes = []
    if token:
        note = "removed here; it stays valid until it expires or is revoked in Azure DevOps"
        changes.append(Change("delete", INPUTS["devops_token"].label, token, "the keyring", note=note))
    if account is not None and context.ledger.made(f"{SIGN_IN_PREFIX}{account.user}"):
        changes.append(Change("delete", SIGN_IN, account.user, "also for the Azure CLI, which shares the sign-in"))
    return changes


@undo(plan=_plan_sign_out)
def sign_out(context: StepContext) -> None:
    """Sign out the account that the wizard signed in, and delete the Azure DevOps token that the person entered.

    An account that `az login` signed in is not signed out.
    """
    if token := _token_of_devops(context):
        context.services.secrets.delete(token)
        context.reporter.say(f"{token} is removed from the keyring.")
    account = context.services.identity.account()
    if account is None:
        return
    key = f"{SIGN_IN_PREFIX}{account.user}"
    if not context.ledger.made(key):
        context.reporter.say(f"{account.user} was not signed in by this wizard: not changed.")
        return
    context.services.identity.sign_out()
    context.ledger.write(Fact.DELETED, context.target, key, SIGN_IN)
    context.reporter.say(f"{account.user} is signed out.")
