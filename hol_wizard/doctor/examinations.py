"""What can prevent the whole lab instead of one step; each finding says who can fix it."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from hol_wizard import __version__
from hol_wizard.doctor import devops_preflight, preflight, surroundings
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import UsageError
from hol_wizard.lab.model import Environment
from hol_wizard.paths import Home, is_there, is_utf_8
from hol_wizard.resources.context import StepContext
from hol_wizard.steps import set_up, subscription, tools, workspace_resources
from hol_wizard.variables import ENCODE, PROXIES, proxy_trouble

SKEW_ALLOWED = 300.0
"""Allowed difference in seconds between this machine's clock and the cloud's; tokens are refused after about five
minutes."""

CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@dataclass(frozen=True, slots=True)
class Examination:
    """One check of the doctor."""

    key: str
    title: str
    run: Callable[[StepContext], Result]
    needs: tuple[str, ...] = ()
    deadline: float = 20.0
    step: str = ""
    """Key of the lab's step that fixes a failure; empty if there is none."""


def _wizard(context: StepContext) -> Result:
    del context
    version = ".".join(map(str, sys.version_info[:3]))
    seen = (
        Expectation("hol-wizard", "any", __version__, met=True),
        Expectation("Python", "3.11 or newer", version, sys.version_info >= tools.OLDEST_PYTHON),
        Expectation("System", "any", f"{platform.system()} {platform.release()} {platform.machine()}", met=True),
        Expectation("Terminal", "any", os.environ.get("TERM", "not said"), met=True),
    )
    return judge(
        seen,
        passed=f"hol-wizard {__version__} on Python {version}.",
        failed="This Python is too old.",
        next_action="You: install a newer Python.",
    )


def _folders(home: Home) -> Callable[[StepContext], Result]:
    def run(context: StepContext) -> Result:
        del context
        seen = (
            Expectation("Choices", "writable", str(home.config), met=True),
            Expectation("State", "writable", str(home.state), met=True),
            Expectation("Log file", "writable", str(home.log_file), met=True),
        )
        try:
            home.ensure_writable()
        except UsageError as error:
            return Result(Status.FAILED, error.message, (), f"You: {error.hint}")
        summary = f"Files are kept in {home.state}."
        if not is_utf_8(home.state):
            # `paths.for_programs` says why.
            summary += " Its name is not UTF-8, so programs of the practice cloud use the system's temporary folder."
        return Result(Status.PASSED, summary, seen)

    return run


def _ledger(context: StepContext) -> Result:
    ledger = context.ledger
    damage, number = ledger.damage, len(ledger.standing())
    found = "damaged" if damage is not None else "readable" if ledger.exists else "none yet"
    return judge(
        [Expectation("Ledger", "can be read", found, damage is None)],
        passed=f"The ledger names {number} resources that this wizard created: {ledger.path}.",
        failed=damage.message if damage is not None else "",
        next_action=f"You: {damage.hint}" if damage is not None else "",
    )


def _keyring(context: StepContext) -> Result:
    found = context.services.secrets.probe()
    seen = (Expectation("Keyring", "the system's own", found.backend or "none", found.persistent),)
    if found.persistent:
        return Result(Status.PASSED, f"Secrets are kept in {found.backend}.", seen)
    return Result(
        Status.SKIPPED,
        f"Secrets last for this session only: {found.reason}.",
        seen,
        f"You: {found.hint}" if found.hint else "",
    )


def _skew(context: StepContext) -> float:
    return context.reads.share("clock skew", context.services.arm.clock_skew)


def _network(context: StepContext) -> Result:
    _skew(context)
    address = context.services.endpoints.resource_manager
    seen = (Expectation("Azure Resource Manager", "answers", "answers", met=True),)
    return Result(Status.PASSED, f"{address} answers.", seen)


def _clock(context: StepContext) -> Result:
    skew = _skew(context)
    return judge(
        [Expectation("Clock", f"within {SKEW_ALLOWED:.0f} s of Azure's", f"{skew:+.0f} s", abs(skew) <= SKEW_ALLOWED)],
        passed=f"This machine's clock is {abs(skew):.0f} s off Azure's.",
        failed="This machine's clock is wrong, so sign-ins will be refused.",
        next_action="You: let the system set its clock automatically (Linux: timedatectl set-ntp true).",
    )


def _variable(name: str) -> str:
    """Return a variable's value; as for Python and requests, the name in lowercase takes precedence."""
    return os.environ.get(name.lower()) or os.environ.get(name) or ""


_HOST: Final = re.compile(
    r"\*|[*.]*[A-Za-z0-9_-][A-Za-z0-9._-]*(:[0-9]+)?|\[?[0-9A-Fa-f:.]+\]?(/[0-9]+)?|[0-9.]+/[0-9]+"
)


def _excluded() -> list[str]:
    """Return the hosts that are reached without the proxy; other entries can contain a sign-in."""
    entries = [each for each in re.split(r"[,\s]+", _variable("NO_PROXY")) if each]
    return [each if _HOST.fullmatch(each) else "an entry that is not a host" for each in entries]


def _differ(name: str) -> bool:
    """Return whether a variable has one value in uppercase and another one in lowercase."""
    upper, lower = os.environ.get(name), os.environ.get(name.lower())
    return bool(upper and lower) and upper != lower


def _proxy(context: StepContext) -> Result:
    """Check the variables that redirect requests; no part of a proxy's address is shown.

    If the name or the password is not encoded, the host in the value cannot be determined.
    """
    del context
    seen: list[Expectation] = []
    for name in PROXIES:
        if value := _variable(name):
            trouble = proxy_trouble(value)
            seen.append(Expectation(name, "the address of a proxy", trouble or "an address", not trouble))
    for name in CERTIFICATES:
        if value := _variable(name):
            there = is_there(value)
            seen.append(Expectation(name, "a file of certificates", value if there else f"no file {value}", there))
    if not seen:
        return Result(Status.PASSED, "No proxy and no additional certificates are set.")
    passed = f"In use: {', '.join(each.what for each in seen)}."
    if seen[0].what in PROXIES:
        excluded = _excluded()
        seen.append(Expectation("NO_PROXY", "any", ", ".join(excluded) or "not set", met=True))
        passed += f" Reached without the proxy: {', '.join(excluded)}." if excluded else " NO_PROXY is not set."
    different = [name for name in (*PROXIES, "NO_PROXY") if _differ(name)]
    found = judge(
        seen,
        passed=passed,
        failed="A variable for the proxy or the certificates is wrong, so requests will fail.",
        next_action="You, or your network administrator: correct the variable, or unset it. A proxy variable has "
        "the form "
        f"http://name:password@host:port. {ENCODE}",
    )
    if found.passed and different:
        both = " and ".join(f"{name.lower()} and {name}" for name in different)
        advice = f"You: set {both} to the same value. The wizard uses the one in lowercase, other programs the other."
        return replace(found, next_action=advice)
    return found


def _subscription_chosen(context: StepContext) -> Result:
    choices = context.profile.choices
    named = choices.subscription_name or choices.subscription
    return judge(
        [Expectation("Subscription", "chosen", named or "not chosen", bool(named))],
        passed=f"{named} is chosen.",
        failed="No subscription is chosen.",
        next_action="To choose one, <solve>.",
    )


def _deleted_vaults(context: StepContext) -> Result:
    names = context.names
    wanted = {
        vault.lower()
        for environment in (Environment.DEV, Environment.PIPELINE)
        for vault in (names.of(environment).key_vault, names.of(environment).ml_key_vault)
    }
    found = context.services.arm.list(f"/subscriptions/{names.subscription}/providers/Microsoft.KeyVault/deletedVaults")
    ours = [str(vault["name"]) for vault in found if str(vault["name"]).lower() in wanted]
    return judge(
        [Expectation("Soft-deleted vaults with the lab's names", "none", ", ".join(ours) or "none", not ours)],
        passed="No soft-deleted vault uses the lab's names.",
        failed=f"Soft-deleted: {', '.join(ours)}.",
        next_action="You: section workspace-resources recovers them; an owner of the subscription can purge them.",
    )


def _deleted_workspaces(context: StepContext) -> Result:
    """Report what cannot be checked: soft-deleted Machine Learning workspaces.

    The API description has a parameter to purge one (`forceToPurge`), but no operation to list them.
    """
    names = [context.names.of(each).ml_workspace for each in (Environment.DEV, Environment.PIPELINE)]
    return Result(
        Status.SKIPPED,
        "A program cannot list soft-deleted Machine Learning workspaces.",
        next_action=f"You, if {' or '.join(names)} is refused because it was deleted recently: in the portal, Azure "
        "Machine Learning, Recently deleted, purge it.",
    )


def examinations(home: Home, environ: Mapping[str, str]) -> Sequence[Examination]:
    """Return the doctor's checks, in the order to show.

    Args:
        home: Where files are kept.
        environ: The process's variables, before any are removed.
    """
    # These checks are about the subscription, regardless of whether one may create resources in it.
    chosen = ("doctor/sign-in", "doctor/names", "doctor/subscription-chosen")
    signed_in, devops = ("doctor/sign-in",), ("doctor/devops", "doctor/names")
    return (
        Examination("doctor/wizard", "The wizard and its Python", _wizard),
        Examination("doctor/folders", "Folders", _folders(home)),
        Examination("doctor/ledger", "Ledger", _ledger),
        Examination("doctor/keyring", "Keyring", _keyring),
        Examination("doctor/git", "git", tools.git),
        Examination("doctor/git-settings", "Settings of git", surroundings.git_settings, ("doctor/git",)),
        Examination("doctor/variables", "Variables of other programs", surroundings.variables_ignored(environ)),
        Examination("doctor/docker", "Docker engine", tools.docker_engine),
        Examination("doctor/proxy", "Proxy and certificates", _proxy),
        Examination("doctor/network", "Network", _network),
        Examination("doctor/clock", "Clock", _clock, ("doctor/network",)),
        Examination("doctor/names", "Names", set_up.names_chosen, step="set-up/choose-your-names"),
        Examination("doctor/sign-in", "Sign-in", set_up.signed_in, ("doctor/network",), step="set-up/sign-in"),
        Examination("doctor/directories", "Directories", surroundings.directories, ("doctor/sign-in",), 30.0),
        Examination(
            "doctor/subscription-chosen",
            "Subscription",
            _subscription_chosen,
            step="set-up/choose-the-subscription",
        ),
        Examination("doctor/subscription", "Rights in the subscription", subscription.usable, chosen),
        Examination(
            "doctor/providers",
            "Resource providers",
            workspace_resources.providers_registered,
            chosen,
            step="workspace-resources/register-the-resource-providers",
        ),
        Examination("doctor/roles", "Right to assign roles", preflight.may_give_roles, chosen),
        Examination(
            "doctor/applications",
            "Right to create applications",
            preflight.may_create_applications,
            ("doctor/sign-in", "doctor/subscription-chosen"),
        ),
        Examination("doctor/quota", "Quota for virtual machines", preflight.cores_left, chosen),
        Examination("doctor/policies", "Policies", preflight.policies, chosen),
        Examination("doctor/deleted-vaults", "Soft-deleted vaults", _deleted_vaults, chosen),
        Examination(
            "doctor/deleted-workspaces",
            "Soft-deleted Machine Learning workspaces",
            _deleted_workspaces,
            ("doctor/names",),
        ),
        Examination("doctor/names-free", "Globally unique names", preflight.names_free, chosen, 30.0),
        Examination(
            "doctor/devops", "Azure DevOps organization", devops_preflight.organization_reachable, ("doctor/sign-in",)
        ),
        # If a policy blocks the access, that policy's own check also reports it.
        Examination(
            "doctor/devops-sign-in", "Azure DevOps: program sign-in", devops_preflight.third_party_access, signed_in
        ),
        Examination(
            "doctor/devops-projects",
            "Azure DevOps: right to create projects",
            devops_preflight.may_create_projects,
            devops,
        ),
        Examination("doctor/devops-tokens", "Azure DevOps: tokens", devops_preflight.tokens_allowed, devops),
        Examination(
            "doctor/devops-jobs", "Azure DevOps: builds on hosted machines", devops_preflight.hosted_parallelism, devops
        ),
    )
