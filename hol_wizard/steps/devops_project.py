"""Section devops-project: the Azure DevOps organization, the project in it, and who takes part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from hol_wizard.engine.ledger import Entry, Fact
from hol_wizard.engine.registry import Change, Offer, check, offers, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import (
    AbsenceUnclearError,
    AccessDeniedError,
    ConflictError,
    NotFoundError,
    ServiceError,
    SignInError,
    UnreachableError,
    UsageError,
    WizardError,
)
from hol_wizard.lab.inputs import INPUTS, addresses
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import PROJECT, hidden_project, organization, project, project_key
from hol_wizard.resources.visibility import Unseen, devops_viewer, unseen
from hol_wizard.services.devops.client import DevOps
from hol_wizard.services.devops.people import Member
from hol_wizard.services.devops.projects import Project, Work
from hol_wizard.services.devops.tokens import CODE_READ_AND_WRITE

ORGANIZATION: Final = "Azure DevOps organization"
PROCESS: Final = "Agile"
DAYS_LEFT: Final = 3
"""How long a personal access token must still hold: the lab takes two days."""
CODE_WRITING: Final = frozenset({CODE_READ_AND_WRITE, "vso.code_manage", "vso.code_full", "app_token"})
"""The scopes with which git pushes; the last is full access (PATs - Create)."""
SCOPES: Final = "the scopes Code (Read & write), Project and Team (Read), for the organizer also (Read, write & manage)"
USUALLY: Final = 15.0
"""Seconds until a new project can be used (recorded: three looks, five seconds apart)."""
WAIT_AT_MOST: Final = 600.0
"""Seconds after which a project that is still not there is somebody's business to look at."""


# The organization


@check(deadline=20)
def organization_usable(context: StepContext) -> Result:
    """Look whether an organization is chosen, and whether it lets the signed-in account in."""
    name = context.profile.choices.devops_organization
    if not name:
        return Result(
            Status.FAILED,
            "No Azure DevOps organization is chosen.",
            (Expectation(ORGANIZATION, "chosen", "none", met=False),),
            f"Choose one (do it for me asks for it).{_offer(context)}",
        )
    chosen = Expectation(ORGANIZATION, "chosen", name, met=True)
    by_token = context.profile.settings.value("devops_sign_in") == "token"
    make = (
        f"Make one with {SCOPES} at {context.services.endpoints.devops}/{name}/_usersSettings/tokens, and give it: "
        "do it for me asks for it."
    )
    try:
        person = context.reads.share(("devops person", name), context.services.devops(name).person)
    except (AbsenceUnclearError, AccessDeniedError) as error:
        unclear, actual = isinstance(error, AbsenceUnclearError), "you are not in it"
        if unclear:
            actual = "probably none of this name (HTTP 404)"
            if _is_in_no(context, name):
                unclear, actual = False, "you are in none of this name"
        return Result(
            Status.UNKNOWN if unclear else Status.FAILED,
            error.message,
            (chosen, Expectation("Lets you in", "yes", actual, met=False)),
            f"{error.hint}{_offer(context)}",
            error.detail,
        )
    except SignInError as error:
        if not by_token:
            raise
        refused = Expectation("Lets you in", "yes", "does not take the personal access token", met=False)
        return Result(Status.FAILED, error.message, (chosen, refused), make, error.detail)
    with_ = "a personal access token" if by_token else "your Microsoft Entra sign-in"
    seen = (
        chosen,
        Expectation("Lets you in", "yes", f"as {person.name}", met=True),
        Expectation("Credential", "one that it takes", with_, met=True),
    )
    return judge(
        (*seen, *(_token_seen(context, name) if by_token else ())),
        passed=f"The organization {name} lets you in, as {person.name}, with {with_}.",
        failed=f"The organization {name} lets you in, but the personal access token is not enough for the lab.",
        next_action=make,
    )


def _token_seen(context: StepContext, name: str) -> tuple[Expectation, ...]:
    """Look what the personal access token opens, and what the person's list says of their tokens.

    A token does not tell its own scopes and end, and the list does not tell which of its tokens is the one in use: so
    it is tried, and all that still hold are shown. The list is for an Entra sign-in; where the organization refuses
    that, nothing more can be found out.
    """
    here = context.services.devops(name)

    def opens(what: str, scope: str, read: Callable[[], object]) -> Expectation:
        try:
            read()
        except (SignInError, AccessDeniedError):
            return Expectation(what, "opened by the token", f"refused: it lacks {scope}", met=False)
        return Expectation(what, "opened by the token", "opened", met=True)

    tried = (
        opens("Projects", "vso.project", here.projects),
        opens("Code", "vso.code_write", here.repositories),
    )
    try:
        listed = context.services.devops_tokens(name).list()
    except WizardError as error:
        told = f"cannot be read with your sign-in here: {error.message}"
        return (*tried, Expectation("Its scopes and end", "shown where they can be read", told, met=True))
    soon = datetime.now(UTC) + timedelta(days=DAYS_LEFT)
    expected = f"{CODE_READ_AND_WRITE}, for {DAYS_LEFT} days or more"
    if not listed:
        return (*tried, Expectation("Your tokens here", expected, "none: it is another account's", met=True))
    shown = "; ".join(
        f"{each.name}: {each.scope}, until {f'{each.ends:%Y-%m-%d}' if each.ends else 'a day that is not told'}"
        for each in listed
    )
    fit = [
        each
        for each in listed
        if (each.ends is None or each.ends > soon) and not CODE_WRITING.isdisjoint(each.scope.split())
    ]
    # Which of them is in use nobody tells, so none of this is a failure; what the token opens was tried above.
    return (*tried, Expectation("Your tokens here", expected, shown if fit else f"{shown} (none fits)", met=True))


@offers("devops_organization")
def organizations_of_account(context: StepContext) -> list[Offer]:
    """Return the organizations that whoever is signed in is in.

    Raises:
        WizardError: Azure DevOps does not tell.
    """
    return [Offer(name, name) for name in context.services.devops_organizations()]


def _organizations(context: StepContext) -> Sequence[str]:
    """Return the organizations that the account is in.

    Raises:
        WizardError: Azure DevOps does not tell.
    """
    return context.reads.share(("devops organizations",), context.services.devops_organizations)


def _is_in_no(context: StepContext, name: str) -> bool:
    """Whether the account is in no organization of this name, by Azure DevOps' own list of them."""
    try:
        return name.lower() not in map(str.lower, _organizations(context))
    except WizardError:
        return False


def _offer(context: StepContext) -> str:
    """Return a sentence with the organizations that the account is in; nothing where that cannot be found out."""
    try:
        found = _organizations(context)
    except WizardError:
        return ""
    return f" You are in: {', '.join(found)}." if found else " You are in no organization yet."


def _plan_organization(context: StepContext) -> Sequence[Change]:
    name = context.inputs.get("devops_organization") or context.profile.choices.devops_organization
    return [Change("change", ORGANIZATION, name or "(you are asked)", str(context.profile.path))]


@solve(plan=_plan_organization)
def choose_organization(context: StepContext) -> None:
    """Save which organization the lab uses, once it lets the account in.

    Raises:
        UsageError: None is given, or things of this lab still stand in another one.
        AbsenceUnclearError: There seems to be no such organization.
        AccessDeniedError: The account is not in it.
    """
    given = INPUTS["devops_organization"]
    name = context.inputs.get("devops_organization") or context.profile.choices.devops_organization
    if not name:
        raise UsageError(
            "No Azure DevOps organization is given.", f"Give it with {given.flag} or the variable {given.variable}."
        )
    elsewhere = [
        entry
        for entry in context.ledger.standing()
        if entry.resource.startswith("devops/") and _place(entry)[0].lower() != name.lower()
    ]
    if elsewhere:
        raise UsageError(
            f"{elsewhere[0].kind} that this wizard made still stands in {_place(elsewhere[0])[0]}.",
            "Tear down first what is there: hol-wizard teardown devops-project scientist-setup",
        )
    before = context.profile.settings.value("devops_sign_in")
    context.save("devops_sign_in")
    try:
        person = context.services.devops(name).person()
    except WizardError as error:
        context.profile.change(devops_sign_in=before)
        if isinstance(error, AbsenceUnclearError) and _is_in_no(context, name):
            told = f"You are in no Azure DevOps organization {name}."
            raise AccessDeniedError(told, f"{error.hint}{_offer(context)}", detail=error.detail) from error
        raise
    context.profile.change(devops_organization=name)
    context.channel.say(f"{ORGANIZATION}: {name}, where you are {person.name}. Saved in {context.profile.path}.")


# The project


def _wanted(found: Project) -> tuple[Expectation, ...]:
    return tuple(
        Expectation(title, expected, actual or "unknown", actual.lower() == expected.lower())
        for title, expected, actual in (
            ("Version control", "Git", found.source_control),
            ("Process", PROCESS, found.process),
            ("Visibility", "private", found.visibility),
        )
    )


@check(deadline=20)
def project_there(context: StepContext) -> Result:
    """Look whether the project is there, private, with Git and the process Agile."""
    name, found = context.names.devops_project, project(context)
    if found is None:
        if (hidden := hidden_project(context)) is not None:
            raise hidden.error
        return Result(
            Status.FAILED,
            f"There is no project {name} that you can see.",
            (Expectation(PROJECT, f"{name} exists", "not found", met=False),),
            "Create it by hand as described, or let the wizard do it.",
        )
    if not found.is_ready:
        return Result(
            Status.WAITING,
            f"The project {name} is being {'deleted' if found.state == 'deleting' else 'made'}.",
            (Expectation(PROJECT, "ready", found.state, met=False),),
            "Nothing to do: the wizard looks again by itself.",
            look_again_after=max(1.0, context.services.arm.poll_interval),
            usually=USUALLY,
        )
    return judge(
        (Expectation(PROJECT, f"{name} exists", "exists", met=True), *_wanted(found)),
        passed=f"The project {name} is there.",
        failed=f"The project {name} is there, but is not as the lab needs it.",
        next_action="Version control and process are chosen once: take another prefix (section set-up), or delete this "
        "project. Who sees it is changed in Project settings, Overview, Visibility.",
    )


def _place(entry: Entry) -> tuple[str, str]:
    """Return organization and name of a project, or of a user, in the ledger."""
    _, there, _, name = entry.resource.split("/", 3)
    return there, name


def _standing(context: StepContext) -> list[Entry]:
    return [entry for entry in context.ledger.standing() if entry.kind == PROJECT]


def _is_ours(context: StepContext, found: Project) -> bool:
    return context.mark in found.description


def _made(context: StepContext, entry: Entry) -> Project | Unseen | None:
    """Return a project that this wizard made; None: it is gone.

    It is looked for under the id that was noted: another project may have its name by now.
    """
    there, name = _place(entry)
    here = context.services.devops(there)
    if (found := here.project(context.ledger.detail(entry.resource) or name)) is not None:
        return found
    return unseen(context, devops_viewer(context, here), entry.resource, PROJECT, name, there)


def _plan_project(context: StepContext) -> Sequence[Change]:
    name = context.names.devops_project
    where = context.inputs.get("devops_organization") or context.names.devops_organization
    try:
        found = project(context)
    except (SignInError, NotFoundError, AccessDeniedError):
        # What stands in the way is said by the step before; made is it all the same, once that is done.
        found = None
    if found is None and (hidden := _hidden(context)) is not None:
        return [hidden.change]
    if found is None or found.state == "deleting":
        return [Change("create", PROJECT, name, where, "free", USUALLY, "private, Git, process Agile")]
    if found.is_ready and not all(each.met for each in _wanted(found)):
        unmet = ", ".join(f"{each.what} is {each.actual}" for each in _wanted(found) if not each.met)
        return [Change("conflict", PROJECT, name, where, note=unmet)]
    verb = "leave" if _is_ours(context, found) else "adopt"
    return [Change(verb, PROJECT, name, where, note="exists")]


def _hidden(context: StepContext) -> Unseen | None:
    """Return why the project may exist all the same; None also where the organization cannot be asked."""
    try:
        return hidden_project(context)
    except (SignInError, NotFoundError, AccessDeniedError):
        return None


@solve(plan=_plan_project)
def create_project(context: StepContext) -> None:
    """Make the project, or adopt the one that is there and fits.

    The wizard's mark stands in the description, which is given with the name: what a kill or a lost answer left behind
    is known by it.

    Raises:
        ConflictError: The project that is there does not fit.
        AccessDeniedError: The account may not make projects here.
        ServiceError: Azure DevOps refused.
    """
    channel, ledger, here = context.channel, context.ledger, organization(context)
    name, viewer = context.names.devops_project, devops_viewer(context, here)
    key = project_key(here, name)
    found = here.project(name)
    if found is None and (hidden := hidden_project(context)) is not None:
        raise hidden.error
    if found is not None and found.state == "deleting":
        channel.say(f"The project {name} is being deleted: waiting until its name is free …")
        _await(context, partial(_is_gone, here, name), f"{name} is being deleted")
        found = None
    if found is None:
        channel.stop_if_cancelled()
        process = here.process_id(PROCESS)
        ledger.write(Fact.INTENT, context.target, key, PROJECT, by=str(viewer))
        channel.say(f"Creating the project {name} in {here.organization} …")
        description = f"Databricks and Azure DevOps hands-on lab. {context.mark}"
        try:
            work = here.create_project(name, description, process)
        except ConflictError:
            # The answer to a request that was carried out may be lost, and the request sent again.
            if (there := here.project(name)) is None or not _is_ours(context, there):
                raise
        except AccessDeniedError as error:
            # Refused, and another look confirms it: whatever is there later was made by somebody else.
            if (there := here.project(name)) is None or not _is_ours(context, there):
                ledger.write(Fact.DELETED, context.target, key, PROJECT, f"refused: {error.message}")
            raise
        else:
            _drive(context, here, work, f"{name} is being made")
        _await(context, partial(_is_there, here, name), f"{name} is being made")
        found = here.project(name)
    elif not found.is_ready:
        channel.say(f"The project {name} is being made: waiting …")
        _await(context, partial(_is_there, here, name), f"{name} is being made")
        found = here.project(name)
    if found is None:
        raise ServiceError(f"The project {name} is not there after it was made.", "Try again in a minute.")
    unmet = [each for each in _wanted(found) if not each.met]
    if unmet:
        listed = ", ".join(f"{each.what} is {each.actual}, not {each.expected}" for each in unmet)
        raise ConflictError(
            f"The project {name} does not fit: {listed}.",
            "Take another prefix (section set-up), or delete this project if nobody needs it.",
        )
    if _is_ours(context, found) and ledger.made(key):
        if not ledger.created(key):
            ledger.write(Fact.CREATED, context.target, key, PROJECT, found.id)
        channel.say(f"The project {name} is there.")
    else:
        ledger.write(Fact.ADOPTED, context.target, key, PROJECT, found.id)
        channel.say(f"The project {name} was there already: adopted, and left alone by a teardown.")


def _is_there(here: DevOps, name: str) -> bool:
    found = here.project(name)
    return found is not None and found.is_ready


def _is_gone(here: DevOps, name: str) -> bool:
    return here.project(name) is None


def _drive(context: StepContext, here: DevOps, work: Work, words: str) -> None:
    """Wait until the organization says that something is over.

    Where it does not know of it any more, the look at the project tells how it went.
    """

    def is_over() -> bool:
        try:
            return here.is_over(work)
        except NotFoundError:
            return True

    _await(context, is_over, words)


def _await(context: StepContext, is_so: Callable[[], bool], words: str) -> None:
    """Wait until something is so.

    Raises:
        ServiceError: It is not, after `WAIT_AT_MOST`.
    """
    interval, waited = context.services.arm.poll_interval, 0.0
    while not is_so():
        if waited >= WAIT_AT_MOST:
            raise ServiceError(f"{words}, for {waited / 60:.0f} minutes now.", "Look at it in the browser, then go on.")
        context.channel.progress(words, USUALLY)
        context.channel.wait(interval)
        waited += interval


def _plan_removal(context: StepContext) -> Sequence[Change]:
    changes = []
    for entry in _standing(context):
        there, name = _place(entry)
        found = _made(context, entry)
        if isinstance(found, Unseen):
            changes.append(found.change)
            continue
        if found is None:
            if context.services.devops(there).project(name) is not None:
                note = "another project has this name by now: it is not the wizard's"
                changes.append(Change("leave", PROJECT, name, there, note=note, resource=entry.resource))
            continue
        if _is_ours(context, found):
            note = "with all that is in it: code, pull requests, pipelines; Azure DevOps can restore it for 28 days"
            changes.append(Change("delete", PROJECT, name, there, seconds=USUALLY, note=note, resource=entry.resource))
        else:
            note = "its description no longer bears the wizard's mark"
            changes.append(Change("leave", PROJECT, name, there, note=note, resource=entry.resource))
    return changes


@undo(plan=_plan_removal)
def delete_project(context: StepContext) -> None:
    """Delete the projects that this wizard made and that still bear its mark, and see that they are gone.

    One that the account does not see and did not make stays in the ledger.

    Raises:
        InconclusiveError: Whether a project exists cannot be told.
        AccessDeniedError: The account may not delete it.
        ServiceError: Azure DevOps refused, or it is still there.
    """
    hidden: Unseen | None = None
    for entry in _standing(context):
        there, name = _place(entry)
        here = context.services.devops(there)
        found = _made(context, entry)
        if isinstance(found, Unseen):
            hidden = hidden or found
            continue
        if found is not None and not _is_ours(context, found):
            context.channel.say(f"The project {name} no longer bears the wizard's mark: left alone.")
            continue
        if found is not None:
            context.channel.stop_if_cancelled()
            if found.state != "deleting":
                _await(context, partial(_is_there, here, found.id), f"{name} is being made")
                context.channel.say(f"Deleting the project {name} in {there} …")
                _drive(context, here, here.delete_project(found), f"{name} is being deleted")
            _await(context, partial(_is_gone, here, found.id), f"{name} is being deleted")
        context.ledger.write(Fact.DELETED, context.target, entry.resource, PROJECT)
        context.channel.say(f"The project {name} is gone.")
    if hidden is not None:
        raise hidden.error


# The users

USER: Final = "Azure DevOps user"
_LICENSES: Final = {"basic": "express", "stakeholder": "stakeholder"}
"""What an access level is called by the service (AccessLevel, `accountLicenseType`)."""
_ENOUGH: Final = {
    "stakeholder": {"stakeholder", "express", "advanced", "earlyadopter", "professional"},
    "basic": {"express", "advanced", "earlyadopter", "professional"},
}
"""Which licenses give at least an access level."""


def _invited(context: StepContext) -> tuple[str, ...]:
    given = context.inputs.get("devops_users")
    return addresses(context.profile.settings.value("devops_users") if given is None else given)


def _level(context: StepContext) -> str:
    return context.inputs.get("devops_access_level") or context.profile.settings.value("devops_access_level") or "basic"


def _members(context: StepContext) -> Sequence[Member]:
    here = organization(context)
    return context.reads.share(("devops members", here.organization), here.members)


def _by_name(members: Sequence[Member]) -> dict[str, Member]:
    """Return everybody by each name that they are known as, in small letters."""
    return {name: each for each in members for name in each.known_as}


def _stands(member: Member | None, level: str, where: Project) -> str:
    """Say what is missing for somebody; empty when nothing is."""
    if member is None:
        return "not in the organization"
    if member.level.lower() not in _ENOUGH[level] and member.level.lower() != "none":
        return f"access level {member.level_name}"
    return "" if where.id in member.projects else "not in the project"


def _required_project(context: StepContext) -> Project:
    found = project(context)
    if found is None:
        if (hidden := hidden_project(context)) is not None:
            raise hidden.error
        raise NotFoundError(
            f"There is no project {context.names.devops_project} that you can see.",
            "Do the step “Create the project” first (devops-project/create-the-project).",
        )
    return found


@check(deadline=30)
def users_invited(context: StepContext) -> Result:
    """Look whether everybody who was to be invited is in the organization and in the project."""
    wanted, level = _invited(context), _level(context)
    if not wanted:
        return Result(
            Status.PASSED,
            "Nobody is to be invited: you work alone, or everybody is in the project through a group.",
            (Expectation("Users to invite", "none", "none", met=True),),
        )
    where, members = _required_project(context), _by_name(_members(context))
    seen = []
    for mail in wanted:
        missing = _stands(members.get(mail), level, where)
        seen.append(Expectation(mail, f"{level}, in {where.name}", missing or "is in", not missing))
    absent = sum(not each.met for each in seen)
    return judge(
        tuple(seen),
        passed=f"{len(wanted)} invited, and all are in." if len(wanted) > 1 else f"{wanted[0]} is in.",
        failed=f"{absent} of {len(wanted)} are not in as they should be.",
        next_action="Invite them (do it for me). A lower access level is raised by hand: Organization settings, Users.",
    )


def _plan_users(context: StepContext) -> Sequence[Change]:
    wanted, level = _invited(context), _level(context)
    where = context.inputs.get("devops_organization") or context.names.devops_organization
    if not wanted:
        return []
    try:
        found = project(context)
        members = _by_name(_members(context)) if found is not None else {}
    except (SignInError, NotFoundError, AccessDeniedError):
        found, members = None, {}
    cost = "free for the first five users with Basic" if level == "basic" else "free"
    changes = []
    for mail in wanted:
        member = members.get(mail)
        missing = _stands(member, level, found) if found is not None else "not in the organization"
        if member is None:
            note = f"{level}, contributor in {context.names.devops_project}; they get an e-mail"
            changes.append(Change("create", USER, mail, where, cost, 2, note))
        elif missing.startswith("access level"):
            changes.append(Change("conflict", USER, mail, where, note=f"has {missing}: raise it by hand"))
        elif missing:
            changes.append(Change("change", USER, mail, where, note="taken into the project"))
        else:
            changes.append(Change("leave", USER, mail, where, note="is in"))
    return changes


@solve(plan=_plan_users)
def invite_users(context: StepContext) -> None:
    """Invite whoever is missing; that one is refused keeps nobody else out.

    Raises:
        ServiceError: Some could not be invited; each is named with the reason.
        AccessDeniedError: The account may not invite anybody.
    """
    channel, ledger, here = context.channel, context.ledger, organization(context)
    wanted, level = _invited(context), _level(context)
    context.save("devops_access_level")
    if "devops_users" in context.inputs:
        context.profile.change(devops_users=", ".join(wanted))
    if not wanted:
        channel.say("Nobody is to be invited.")
        return
    where, viewer = _required_project(context), devops_viewer(context, here)
    members = _by_name(here.members())
    refused: list[str] = []
    for mail in wanted:
        channel.stop_if_cancelled()
        member, key = members.get(mail), f"devops/{here.organization}/users/{mail}"
        missing = _stands(member, level, where)
        if member is None and ledger.made(key):
            hidden = unseen(context, viewer, key, USER, mail, here.organization)
            if hidden is not None:
                refused.append(hidden.error.message)
                continue
        try:
            if member is None:
                ledger.write(Fact.INTENT, context.target, key, USER, by=str(viewer))
                channel.say(f"Inviting {mail} …")
                made = here.add_member(mail, _LICENSES[level], where)
                ledger.write(Fact.CREATED, context.target, key, USER, made)
            elif ledger.made(key) and not ledger.created(key):
                ledger.write(Fact.CREATED, context.target, key, USER, member.id)
            if member is not None and missing == "not in the project":
                channel.say(f"Taking {mail} into {where.name} …")
                here.take_into_project(member, where)
            elif missing.startswith("access level"):
                refused.append(f"{mail} has {missing}; raise it by hand")
        except AccessDeniedError:
            if member is None:
                # Whoever is in later was brought in by somebody else.
                ledger.write(Fact.DELETED, context.target, key, USER)
            raise
        except UnreachableError as error:
            # Nobody knows whether Azure DevOps took them in: the next look tells.
            refused.append(f"{mail}: {error.message}")
        except ServiceError as error:
            refused.append(f"{mail}: {error.message}")
            if member is None and mail not in _by_name(here.members()):
                ledger.write(Fact.DELETED, context.target, key, USER)
        else:
            channel.say(f"{mail}: {'invited' if member is None else missing or 'is in'}.")
    if refused:
        raise ServiceError(
            f"{len(refused)} of {len(wanted)} could not be invited. {'; '.join(refused)}",
            "The others are in. Put the list right and do it again: nobody is invited twice.",
        )


def _standing_users(context: StepContext) -> list[Entry]:
    return [entry for entry in context.ledger.standing() if entry.kind == USER]


def _brought_in(context: StepContext, here: DevOps, entry: Entry) -> Member | Unseen | None:
    """Return whom this wizard brought in; None: they are out.

    An organization can show its users to some accounts in part ("Limit user visibility and collaboration to specific
    projects").
    """
    if (found := _member_of(context, here, entry)) is not None:
        return found
    return unseen(context, devops_viewer(context, here), entry.resource, USER, _place(entry)[1], here.organization)


def _member_of(context: StepContext, here: DevOps, entry: Entry) -> Member | None:
    """Return whom a ledger entry is about, or None where the account does not see them in the organization."""
    mail, identity = _place(entry)[1], context.ledger.detail(entry.resource)
    return next((each for each in here.members() if each.id == identity or mail in each.known_as), None)


def _elsewhere(context: StepContext, here: DevOps, member: Member) -> bool:
    """Whether somebody takes part in other projects of the organization as well."""
    labs = here.project(context.names.devops_project)
    own = {entry.detail for entry in context.ledger.entries() if entry.kind == PROJECT}
    return bool(set(member.projects) - ({labs.id} if labs is not None else set()) - own)


_DOUBTFUL: Final = "the ledger is damaged after it named them, and nothing else tells who brought them in"
_STAYS: Final = "takes part in other projects by now"


def _plan_taking_out(context: StepContext) -> Sequence[Change]:
    changes = []
    for entry in _standing_users(context):
        there, mail = _place(entry)
        here = context.services.devops(there)
        member = _brought_in(context, here, entry)
        if isinstance(member, Unseen):
            changes.append(member.change)
        elif member is not None and not context.ledger.certain(entry.resource):
            changes.append(Change("leave", USER, mail, there, note=_DOUBTFUL, resource=entry.resource))
        elif member is not None and _elsewhere(context, here, member):
            changes.append(Change("leave", USER, mail, there, note=_STAYS, resource=entry.resource))
        elif member is not None:
            note = "out of the whole organization: this wizard brought them in"
            changes.append(Change("delete", USER, mail, there, note=note, resource=entry.resource))
    return changes


@undo(plan=_plan_taking_out)
def take_users_out(context: StepContext) -> None:
    """Take out of the organization whom this wizard brought in, and see that they are out.

    Raises:
        AccessDeniedError: The account may not.
        InconclusiveError: Whether somebody is in cannot be told.
        ServiceError: Azure DevOps refused, or somebody is still in.
    """
    hidden: Unseen | None = None
    for entry in _standing_users(context):
        there, mail = _place(entry)
        here = context.services.devops(there)
        found = _brought_in(context, here, entry)
        if isinstance(found, Unseen):
            hidden = hidden or found
            continue
        if found is not None and not context.ledger.certain(entry.resource):
            context.channel.say(f"{mail} stays in {there}: {_DOUBTFUL}.")
            continue
        if found is not None and _elsewhere(context, here, found):
            context.channel.say(f"{mail} stays in {there}: {_STAYS}.")
        elif found is not None:
            context.channel.stop_if_cancelled()
            context.channel.say(f"Taking {mail} out of {there} …")
            here.remove_member(found)
            if _member_of(context, here, entry) is not None:
                raise ServiceError(f"{mail} is still in {there}.", "Run the teardown again in a minute.")
            context.channel.say(f"{mail} is out of {there}.")
        context.ledger.write(Fact.DELETED, context.target, entry.resource, USER)
    if hidden is not None:
        raise hidden.error
