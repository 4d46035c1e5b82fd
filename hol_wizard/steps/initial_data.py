"""Section initial-data: the data file in each data lake."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hol_wizard.engine.ledger import Fact
from hol_wizard.engine.registry import Change, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import AccessDeniedError, ConflictError, ServiceError, UsageError
from hol_wizard.lab.inputs import ORIGINAL, STAND_IN
from hol_wizard.resources import lake, role_assignment
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.data_file import (
    INPUT,
    Teller,
    choice,
    examined,
    expectations,
    generated,
    local,
    origin_words,
    own_file,
)
from hol_wizard.resources.lake import DATA_FILE, FILE_SYSTEM
from hol_wizard.resources.role_assignment import STORAGE_BLOB_DATA_CONTRIBUTOR, Grant
from hol_wizard.services import census
from hol_wizard.services.census import DataFile, Origin

LOCAL_ID = f"this-machine/{DATA_FILE}"
"""The ledger's id of the copy on this machine; the ledger is one profile's, and so is the copy."""

_ANOTHER = "hol-wizard solve initial-data --own-data-file"


# The file on this machine


def _differs_from_own(context: StepContext, content: bytes) -> str:
    """Return why the kept copy is not the file that the person gave; empty when it is, or when that one is gone."""
    own = own_file(context)
    if own is None or not own.is_file():
        return ""
    return "" if _read_own(own) == content else f"{own} is another file than the one that was taken"


@check(deadline=20)
def data_file_fits(context: StepContext) -> Result:
    """Look whether there is a copy of the data file on this machine, and whether it is what it must be."""
    content = local(context)
    where = context.services.downloads.file(DATA_FILE)
    if content is None:
        return Result(
            Status.FAILED,
            f"There is no copy of {DATA_FILE} yet.",
            (Expectation(DATA_FILE, "on this machine, checked", "not there", met=False),),
            f"Let the wizard get it (do it for me), or give it your own: {_ANOTHER} FILE",
        )
    data = examined(context, content)
    seen = expectations(context, data)
    if other := _differs_from_own(context, content):
        seen = (*seen, Expectation("Your own file", "the copy that is kept", other, met=False))
    return judge(
        seen,
        passed={
            Origin.ORIGINAL: f"{DATA_FILE} is there, and it is the lab's file.",
            Origin.STAND_IN: f"A generated stand-in for {DATA_FILE} is there: it looks alike, and is nobody's census.",
            Origin.OTHER: f"Your own {DATA_FILE} is there and fits; it is not the lab's file: digest {data.sha256}.",
        }[data.origin],
        failed=f"The copy of {DATA_FILE} is not what it must be.",
        next_action="Let the wizard get it again (do it for me).",
        detail=f"{where}\nsha256 {data.sha256}",
    )


def _kept_fits(context: StepContext) -> DataFile | None:
    """Return what the kept copy is, if it is what is wanted, else None."""
    content = context.services.downloads.find(DATA_FILE)
    if content is None:
        return None
    data = census.examine(content)
    met = all(each.met for each in expectations(context, data)) and not _differs_from_own(context, content)
    if choice(context) == ORIGINAL and data.origin is not Origin.ORIGINAL:
        return None
    return data if met else None


def _plan_getting(context: StepContext) -> Sequence[Change]:
    where = str(context.services.downloads.file(DATA_FILE))
    kept = _kept_fits(context)
    if kept is not None:
        return (Change("leave", "Data file", DATA_FILE, where, note=f"is there: {origin_words(kept)}"),)
    own = own_file(context)
    if own is not None:
        data = census.examine(_read_own(own))
        if data.problem:
            return (Change("conflict", "Data file", DATA_FILE, where, note=f"{own}: {data.problem}"),)
        return (Change("create", "Data file", DATA_FILE, where, "free", 1, f"from {own}: {origin_words(data)}"),)
    if generated(context):
        note = "generated here, without the internet: nobody's census"
        return (Change("create", "Data file", DATA_FILE, where, "free", 1, note),)
    note = f"from {census.SOURCE_WORDS}, licence {census.LICENCE}"
    return (Change("create", "Data file", DATA_FILE, where, "free: less than 1 MB to download", 10, note),)


@solve(plan=_plan_getting)
def get_data_file(context: StepContext) -> None:
    """Get the data file: from its public source, from the person's own, or generated, and keep it when it is right.

    Raises:
        UsageError: The person's own file cannot be read, or this machine's disk cannot be written.
        ConflictError: The person's own file does not fit.
        ServiceError: The sources cannot be reached, or hand out something else.
    """
    channel, ledger, downloads = context.channel, context.ledger, context.services.downloads
    kept = _kept_fits(context)
    if kept is not None:
        channel.say(f"{DATA_FILE} is there already: {origin_words(kept)}.")
        if ledger.made(LOCAL_ID) and not ledger.created(LOCAL_ID):
            ledger.write(Fact.CREATED, context.target, LOCAL_ID, "Data file")
    else:
        content = _gotten(context)
        data = census.examine(content)
        channel.stop_if_cancelled()
        ledger.write(Fact.INTENT, context.target, LOCAL_ID, "Data file")
        where = downloads.keep(DATA_FILE, content)
        ledger.write(Fact.CREATED, context.target, LOCAL_ID, "Data file")
        channel.say(f"{DATA_FILE} is kept as {where}: {data.size:,} bytes, {data.rows:,} rows, {origin_words(data)}.")
    if choice(context):
        context.profile.change(**{INPUT: choice(context)})


def _gotten(context: StepContext) -> bytes:
    """Return the content of the file that is wanted."""
    channel = context.channel
    own = own_file(context)
    if own is not None:
        content = _read_own(own)
        data = census.examine(content)
        if data.problem:
            raise ConflictError(
                f"{own} is not what the lab needs: {data.problem}.",
                f"Give another file, or let the wizard get the lab's own: {_ANOTHER} {ORIGINAL}",
            )
        if data.origin is Origin.OTHER:
            channel.say(f"{own} is not the lab's file: digest {data.sha256}. It has the lab's columns, and is taken.")
        return content
    if generated(context):
        channel.say(f"Generating a stand-in for {DATA_FILE}: it looks alike, but it is nobody's census.")
        return census.stand_in()
    channel.say(f"Downloading {census.SOURCE_WORDS} (licence: {census.LICENCE}) …")
    tell = Teller(context, "Downloading")
    sources = context.services.endpoints.data_sources
    try:
        return context.services.downloads.fetch(sources, census.build, tell)
    except ServiceError as error:
        raise type(error)(
            f"{DATA_FILE} cannot be had from its public source: {error.message}",
            f"Give a copy of your own: {_ANOTHER} FILE. Or take a generated one, which is nobody's census: "
            f"{_ANOTHER} {STAND_IN}",
            code=error.code,
            detail=error.detail,
        ) from error


def _read_own(path: Path) -> bytes:
    """Return the content of the person's own file, or as much of it as tells that it is too large.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(census.MOST + 1)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}.",
            f"Give another file, or let the wizard get the lab's own: {_ANOTHER} {ORIGINAL}",
        ) from error


def _plan_forgetting(context: StepContext) -> Sequence[Change]:
    if not context.ledger.made(LOCAL_ID):
        return ()
    where = context.services.downloads.file(DATA_FILE)
    if not where.exists() and not context.services.downloads.rests():
        return ()
    return (Change("delete", "Data file", DATA_FILE, str(where)),)


@undo(plan=_plan_forgetting)
def forget_data_file(context: StepContext) -> None:
    """Remove the copy that the wizard keeps, and what has come of unfinished downloads; your own file stays.

    Raises:
        UsageError: It cannot be removed.
    """
    if not context.ledger.made(LOCAL_ID):
        context.channel.say(f"No copy of {DATA_FILE} was made by this wizard.")
        return
    context.services.downloads.forget(DATA_FILE)
    context.ledger.write(Fact.DELETED, context.target, LOCAL_ID, "Data file")
    context.channel.say(f"The copy of {DATA_FILE} is gone.")


# The right to write


def _grant(context: StepContext) -> Grant:
    """Return the role that lets the signed-in account write; before there is a lake, nobody is asked who that is."""
    scope = lake.lake_id(context)
    if not lake.is_there(context):
        return Grant(STORAGE_BLOB_DATA_CONTRIBUTOR, scope, "", "you", "User")
    who = context.reads.share(("signed in",), context.services.graph.signed_in)
    return Grant(STORAGE_BLOB_DATA_CONTRIBUTOR, scope, who.id, "you", who.kind)


@check(deadline=20)
def may_write(context: StepContext) -> Result:
    """Look whether the signed-in account has the data role, and whether the lake lets it in."""
    address = lake.endpoint(context)

    def works() -> bool:
        try:
            context.services.data_lake.file_system_exists(address, FILE_SYSTEM)
        except AccessDeniedError as error:
            if error.code == "AuthorizationPermissionMismatch":
                return False
            raise
        return True

    return role_assignment.look(context, _grant(context), works)


@solve(plan=lambda context: role_assignment.plan(context, _grant(context)))
def let_yourself_write(context: StepContext) -> None:
    """Give the signed-in account the data role on the lake."""
    lake.endpoint(context)
    role_assignment.give(context, _grant(context))


@undo(
    plan=role_assignment.plan_removal,
    marked=role_assignment.marked(STORAGE_BLOB_DATA_CONTRIBUTOR, lake.lake_id),
)
def take_back_writing(context: StepContext) -> None:
    """Take back the data role."""
    role_assignment.take_back(context)
