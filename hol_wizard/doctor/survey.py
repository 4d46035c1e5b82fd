"""What the ledger may have lost: unreadable entries, and resources with this lab's mark that it does not name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from hol_wizard.engine.ledger import REBUILD, SIGN_IN, Damage, Entry, Fact, Ledger
from hol_wizard.engine.registry import UNDOS, Marked, MarkedFunction
from hol_wizard.errors import AccessDeniedError, LedgerError, SignInError, WizardError
from hol_wizard.resources import tagged
from hol_wizard.resources.context import StepContext

UNMARKED: Final[Mapping[str, str]] = {
    "Library": "is deleted with its cluster",
    "Secret scope": "is deleted with its workspace; in somebody else's: databricks secrets delete-scope",
    "Access list": "is deleted with the data lake",
    "Access policy": "goes with its key vault; in another's vault: az keyvault delete-policy",
    "Git folder": "is deleted with its workspace; in somebody else's, delete it there under Workspace",
    "Branch": "is deleted with the project; in somebody else's, delete it under Repos, Branches",
    "Data file": "stays on this machine",
    SIGN_IN: "ends with az logout",
    "Azure DevOps user": "is taken out under Organization settings, Users",
}
"""Kinds of resources that cannot be found by a mark, with how they disappear or how a person removes them."""
LEDGER_ALONE: Final = frozenset({"Azure DevOps user", SIGN_IN})
"""Kinds whose removal relies only on the ledger: if a part of it is lost, they are no longer considered ours."""

_AT_ONCE = 16
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Survey:
    """How far the ledger can be trusted, by its own state and by the resources in the cloud."""

    damage: Damage | None = None
    lost: bool = False
    """Whether there is no ledger although there are saved choices."""
    found: tuple[Marked, ...] = ()
    """Resources with this lab's mark that the ledger does not name."""
    strays: tuple[Marked, ...] = ()
    """The same with names that do not result from the current choices: another prefix, or a copy."""
    unknown: tuple[str, ...] = ()
    """What could not be checked."""
    remedy: str = ""
    """What to do so that the first of it can be checked; empty if nothing is known."""
    closed: tuple[str, ...] = ()
    """What the account has no access to."""
    command: str = REBUILD
    """The command that rebuilds the ledger of this cloud and profile."""

    @property
    def complete(self) -> bool:
        """Whether the ledger is known to be complete."""
        gaps = self.damage is not None or self.found or self.strays
        return not gaps and not (self.lost and (self.unknown or self.closed))

    @property
    def rebuildable(self) -> bool:
        """Whether rebuilding the ledger would improve it."""
        return self.damage is not None or bool(self.found)

    def lines(self) -> Iterator[str]:
        """Yield what is wrong, in lines for a person; nothing if the ledger is complete."""
        if self.complete:
            return
        if self.damage is not None:
            yield self.damage.message
        elif self.lost:
            yield "There is no ledger here, although there are saved choices."
        if self.found:
            yield f"The ledger does not name {_things(len(self.found))} of this lab, which carry its mark:"
            yield from _listed(self.found)
        if self.strays:
            other = f"{_have(self.strays)} names that do not follow from the current choices"
            yield f"{_things(len(self.strays))} of this lab, which carry its tag, {other}:"
            yield from _listed(self.strays)
            yield "  They are not removed. If you created them with another prefix, run the command with --prefix NAME."
        for each in self.unknown:
            yield f"Not known: {each}"
        for each in self.closed:
            yield f"Not seen: {each}"
        if self.rebuildable:
            yield f"To rebuild the ledger from its readable entries and the marked resources, run: {self.command}"

    def error(self) -> LedgerError:
        """Return the error for operations that require a complete ledger."""
        if self.damage is not None:
            return LedgerError(self.damage.message, self.damage.hint.replace(REBUILD, self.command))
        first = ", ".join(map(str, (*self.found, *self.strays)[:3]))
        number = len(self.found) + len(self.strays)
        return LedgerError(
            f"There is no ledger here, but {_things(number)} of this lab {'exists' if number == 1 else 'exist'}, known "
            f"by the mark: {first}{', …' if number > 3 else ''}.",
            f"If this wizard created them, rebuild the ledger: {self.command}",
        )


def _things(number: int) -> str:
    return "1 resource" if number == 1 else f"{number} resources"


def _have(found: Sequence[Marked]) -> str:
    return "has" if len(found) == 1 else "have"


def _listed(found: Sequence[Marked]) -> Iterator[str]:
    for each in found[:_SHOWN]:
        yield f"  {each}"
    if len(found) > _SHOWN:
        yield f"  and {len(found) - _SHOWN} more"


def survey(ledger: Ledger, contexts: Sequence[tuple[str, StepContext]]) -> Survey:
    """Check the ledger and everything that carries this lab's mark.

    Args:
        ledger: The ledger.
        contexts: The registered name of each undo, with the context of its step; their reads are shared.
    """
    damage, lost = ledger.damage, not ledger.exists
    if not contexts or not contexts[0][1].profile.choices.lab_id:
        # Without a lab ID, nothing was ever marked.
        return Survey(damage)

    def ask(find: MarkedFunction, context: StepContext) -> tuple[list[Marked], WizardError | None]:
        try:
            return [replace(each, target=context.target) for each in find(context)], None
        except WizardError as error:
            return [], error

    tasks = [(find, context) for name, context in contexts if (find := UNDOS[name].marked)]
    if not contexts[0][1].profile.choices.subscription:
        tasks = [(find, context) for find, context in tasks if context.environment is None]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        anywhere = pool.submit(ask, tagged.anywhere_in_azure, contexts[0][1])
        answers = list(pool.map(lambda task: ask(*task), tasks))
        everywhere = anywhere.result()
    named = [each for some, _ in answers for each in some]
    known = {each.resource.lower() for each in named} | {entry.resource.lower() for entry in ledger.standing()}
    strays = [replace(each, target="") for each in everywhere[0] if each.resource.lower() not in known]
    errors = [error for _, error in (*answers, everywhere) if error is not None]
    closed = [error.message for error in errors if isinstance(error, AccessDeniedError)]
    unsure = [error for error in errors if not isinstance(error, AccessDeniedError)]
    return Survey(
        damage,
        lost,
        tuple(each for each in named if not ledger.made(each.resource)),
        tuple(strays),
        tuple(dict.fromkeys(error.message for error in unsure)),
        _remedy(unsure[0]) if unsure else "",
        tuple(dict.fromkeys(closed)),
    )


def _remedy(error: WizardError) -> str:
    return error.hint or ("Sign in (<step set-up/sign-in>)." if isinstance(error, SignInError) else "")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The result of rebuilding a ledger."""

    aside: Path | None
    """Path of the old file; None if there was none."""
    kept: int
    """Number of readable entries, which are in the new one."""
    taken: tuple[Marked, ...]
    """Resources in the new ledger because they carry the mark."""
    dropped: tuple[Entry, ...]
    """Resources in the old ledger but not in the new one: only the lost part could say whether they are still ours."""
    gap: bool
    """Whether entries of the old one are missing, so that more may be lost."""

    def brief(self) -> Iterator[str]:
        """Yield what was done, without the added resources and those that cannot be found again."""
        if self.aside is not None:
            yield f"The old ledger is kept as {self.aside}."
        entries = "1 entry" if self.kept == 1 else f"{self.kept} entries"
        yield f"The new ledger has {entries} of the old one, and {_things(len(self.taken))} known by the mark."
        for entry in self.dropped:
            yield f"No longer recorded as created by the wizard: {entry.kind} {entry.resource.rpartition('/')[2]}."

    def lines(self) -> Iterator[str]:
        """Yield what was done, in lines for a person."""
        yield from self.brief()
        yield from _listed(self.taken)
        if not self.gap:
            return
        yield "Resources without a mark cannot be found again. If the old ledger named others of these kinds:"
        yield from (f"  {kind}: {advice}" for kind, advice in UNMARKED.items())


def rebuild(ledger: Ledger, seen: Survey) -> Rebuilt:
    """Write the ledger again from its readable entries and the resources with the mark.

    Args:
        ledger: The ledger.
        seen: The survey, which must contain no unknown parts.

    Raises:
        LedgerError: Something could not be checked, so that the new one would wrongly appear complete; or it cannot be
            written.
    """
    if seen.unknown:
        raise LedgerError(f"The ledger is not rebuilt: not everything could be checked. {seen.unknown[0]}", seen.remedy)
    gap = seen.damage is not None or seen.lost
    dropped = tuple(
        each for each in ledger.standing() if each.kind in LEDGER_ALONE and not ledger.certain(each.resource)
    )
    gone = {each.resource.lower() for each in dropped}
    kept = [each for each in ledger.entries() if each.resource.lower() not in gone]
    entries = list(kept)
    for each in seen.found:
        entries.append(Entry(Fact.INTENT, each.target, each.resource, each.kind, each.detail))
        entries.append(Entry(Fact.CREATED, each.target, each.resource, each.kind, each.detail))
    return Rebuilt(ledger.rebuild(entries), len(kept), seen.found, dropped, gap)
