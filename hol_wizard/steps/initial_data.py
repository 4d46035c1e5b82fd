"""Section initial-data: the data file in each data lake."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hol_wizard.engine.ledger import Fact
from hol_wizard.engine.registry import Change, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import AccessDeniedError, ConflictError, NotFoundError, ServiceError, UsageError
from hol_wizard.lab.inputs import ORIGINAL, STAND_IN
from hol_wizard.resources import lake
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.lake import DATA_FILE, FILE_SYSTEM
from hol_wizard.resources.storage_container import METADATA
from hol_wizard.services import census
from hol_wizard.services.census import DataFile, Origin
from hol_wizard.services.data_lake import FileProperties
from hol_wizard.steps import role
from hol_wizard.steps.role import STORAGE_BLOB_DATA_CONTRIBUTOR, Grant

INPUT = "own_data_file"

LOCAL_ID = f"this-machine/{DATA_FILE}"
"""The ledger's id of the copy on this machine; the ledger is one profile's, and so is the copy."""

SOURCE = "hol_wizard_source"
"""Metadata that says where the content of the uploaded file comes from (`Origin`)."""

TOLD_EVERY = 0.2
"""Seconds between two lines of progress."""
PATIENCE = 120.0
"""Seconds for which a lake is asked again that still refuses a role which, a moment ago, worked at another of its
front ends, or whose container of the same name is still being deleted ("at least 30 seconds", Delete Container)."""

_ANOTHER = "hol-wizard solve initial-data --own-data-file"


# The file on this machine


def _choice(context: StepContext) -> str:
    """Return what the person wants: a path, `ORIGINAL`, `STAND_IN`, or an empty string for what the cloud offers."""
    return context.inputs.get(INPUT) or context.profile.settings.value(INPUT)


def _own_file(context: StepContext) -> Path | None:
    """Return the file that the person gave, or None."""
    choice = _choice(context)
    return None if choice in ("", ORIGINAL, STAND_IN) else Path(choice)


def _generated(context: StepContext) -> bool:
    """Whether the stand-in is wanted: by the person, or by a cloud that has nothing to do with the internet."""
    choice = _choice(context)
    return choice == STAND_IN or (not choice and context.services.endpoints.stand_in_data)


def _local(context: StepContext) -> bytes | None:
    """Return the content of the copy that the wizard keeps, or None; checks of one run share the read."""
    return context.reads.share(("data file",), lambda: context.services.downloads.find(DATA_FILE))


def _examined(context: StepContext, content: bytes) -> DataFile:
    return context.reads.share(("data file examined",), lambda: census.examine(content))


def _origin_words(data: DataFile) -> str:
    return {
        Origin.ORIGINAL: "the lab's file",
        Origin.STAND_IN: "a generated stand-in, nobody's census",
        Origin.OTHER: "not the lab's file",
    }[data.origin]


def _expectations(context: StepContext, data: DataFile) -> tuple[Expectation, ...]:
    """Return what is looked at in a copy; the content's digest tells the lab's file from any other that fits."""
    own, stand_in = data.origin is Origin.OTHER, data.origin is Origin.STAND_IN
    columns, values = f"{len(census.COLUMNS)}, with the lab's names", "of their columns' types"
    rows = "at least 1" if own else f"{census.ROWS:,}"
    size = f"{census.SIZE:,} bytes" if data.origin is Origin.ORIGINAL else f"at most {census.MOST:,} bytes"
    wanted = f"{census.SHA256} (the lab's file)"
    if own:
        wanted += ", or that of your own"
    elif stand_in and _generated(context):
        wanted += ", or that of the generated stand-in"
    return (
        Expectation("Columns", columns, data.column_problem or columns, not data.column_problem),
        Expectation("Values", values, data.row_problem or values, not data.row_problem),
        Expectation("Rows", rows, f"{data.rows:,}", data.rows > 0),
        Expectation("Size", size, f"{data.size:,} bytes", data.size <= census.MOST),
        Expectation("SHA-256", wanted, f"{data.sha256} ({_origin_words(data)})", not stand_in or _generated(context)),
    )


def _differs_from_own(context: StepContext, content: bytes) -> str:
    """Return why the kept copy is not the file that the person gave; empty when it is, or when that one is gone."""
    own = _own_file(context)
    if own is None or not own.is_file():
        return ""
    return "" if _read_own(own) == content else f"{own} is another file than the one that was taken"


@check(deadline=20)
def data_file_fits(context: StepContext) -> Result:
    """Look whether there is a copy of the data file on this machine, and whether it is what it must be."""
    content = _local(context)
    where = context.services.downloads.file(DATA_FILE)
    if content is None:
        return Result(
            Status.FAILED,
            f"There is no copy of {DATA_FILE} yet.",
            (Expectation(DATA_FILE, "on this machine, checked", "not there", met=False),),
            f"Let the wizard get it (do it for me), or give it your own: {_ANOTHER} FILE",
        )
    data = _examined(context, content)
    seen = _expectations(context, data)
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
    met = all(each.met for each in _expectations(context, data)) and not _differs_from_own(context, content)
    if _choice(context) == ORIGINAL and data.origin is not Origin.ORIGINAL:
        return None
    return data if met else None


def _plan_getting(context: StepContext) -> Sequence[Change]:
    where = str(context.services.downloads.file(DATA_FILE))
    kept = _kept_fits(context)
    if kept is not None:
        return (Change("leave", "Data file", DATA_FILE, where, note=f"is there: {_origin_words(kept)}"),)
    own = _own_file(context)
    if own is not None:
        data = census.examine(_read_own(own))
        if data.problem:
            return (Change("conflict", "Data file", DATA_FILE, where, note=f"{own}: {data.problem}"),)
        return (Change("create", "Data file", DATA_FILE, where, "free", 1, f"from {own}: {_origin_words(data)}"),)
    if _generated(context):
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
        channel.say(f"{DATA_FILE} is there already: {_origin_words(kept)}.")
        if ledger.made(LOCAL_ID) and not ledger.created(LOCAL_ID):
            ledger.write(Fact.CREATED, context.target, LOCAL_ID, "Data file")
    else:
        content = _gotten(context)
        data = census.examine(content)
        channel.stop_if_cancelled()
        ledger.write(Fact.INTENT, context.target, LOCAL_ID, "Data file")
        where = downloads.keep(DATA_FILE, content)
        ledger.write(Fact.CREATED, context.target, LOCAL_ID, "Data file")
        channel.say(f"{DATA_FILE} is kept as {where}: {data.size:,} bytes, {data.rows:,} rows, {_origin_words(data)}.")
    if _choice(context):
        context.profile.change(**{INPUT: _choice(context)})


def _gotten(context: StepContext) -> bytes:
    """Return the content of the file that is wanted."""
    channel = context.channel
    own = _own_file(context)
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
    if _generated(context):
        channel.say(f"Generating a stand-in for {DATA_FILE}: it looks alike, but it is nobody's census.")
        return census.stand_in()
    channel.say(f"Downloading {census.SOURCE_WORDS} (licence: {census.LICENCE}) …")
    tell = _Teller(context, "Downloading")
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


class _Teller:
    """Tells how many bytes of how many are there, not too often, and stops where the person asked to."""

    def __init__(self, context: StepContext, doing: str) -> None:
        self._channel = context.channel
        self._doing = doing
        self._last = 0.0

    def __call__(self, done: int, whole: int) -> None:
        self._channel.stop_if_cancelled()
        now = time.monotonic()
        if done and done != whole and now - self._last < TOLD_EVERY:
            return
        self._last = now
        of = f" of {whole / 2**20:.1f}" if whole else ""
        self._channel.progress(f"{self._doing} {DATA_FILE}: {done / 2**20:.1f}{of} MiB")


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

    return role.look(context, _grant(context), works)


@solve(plan=lambda context: role.plan(context, _grant(context)))
def let_yourself_write(context: StepContext) -> None:
    """Give the signed-in account the data role on the lake."""
    lake.endpoint(context)
    role.give(context, _grant(context))


@undo(plan=role.plan_removal)
def take_back_writing(context: StepContext) -> None:
    """Take back the data role."""
    role.take_back(context)


# The file in the lake


def _is_marked(metadata: Any, context: StepContext) -> bool:
    return isinstance(metadata, Mapping) and context.is_lab_id(metadata.get(METADATA))


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def _digest_there(context: StepContext, there: FileProperties, content: bytes) -> tuple[str, str]:
    """Return the digest of the file in the lake, and how it is known.

    What the wizard noted counts as long as nobody says otherwise; a file that was uploaded by hand has an MD5, or is
    read.
    """
    if there.length != len(content):
        return "", ""
    if there.content_md5 == _md5(content):
        return hashlib.sha256(content).hexdigest(), "by its MD5"
    data = context.services.data_lake.read(lake.endpoint(context), FILE_SYSTEM, DATA_FILE, etag=there.etag)
    return hashlib.sha256(data).hexdigest(), "by reading it"


def _compare(context: StepContext, there: FileProperties, content: bytes) -> tuple[Expectation, ...]:
    """Return how the file in the lake stands beside the one on this machine."""
    size = Expectation("Size", f"{len(content):,} bytes", f"{there.length:,} bytes", there.length == len(content))
    if there.directory:
        return (Expectation("Kind", "a file", "a folder", met=False),)
    if not size.met:
        return (size,)
    expected = hashlib.sha256(content).hexdigest()
    actual, how = _digest_there(context, there, content)
    digest = Expectation("SHA-256", expected, f"{actual} ({how})", actual == expected)
    said = there.metadata.get(SOURCE, "")
    own = census.examine(content).origin
    source = Expectation("Source, as noted with it", own.value, said or "nothing noted", not said or said == own.value)
    return (size, digest, source)


def _broke_off(context: StepContext, there: FileProperties, content: bytes) -> bool:
    """Whether what is in the lake is the beginning of our own upload of this content."""
    ours = _is_marked(there.metadata, context) and there.sha256 == hashlib.sha256(content).hexdigest()
    return ours and there.length < len(content)


@check(deadline=60)
def data_file_uploaded(context: StepContext) -> Result:
    """Look whether the file in the lake is the one on this machine, byte for byte."""
    address, account = lake.endpoint(context), context.here.storage_account
    there = context.services.data_lake.file(address, FILE_SYSTEM, DATA_FILE)
    if there is None:
        return Result(
            Status.FAILED,
            f"{DATA_FILE} is not in container {FILE_SYSTEM} of {account}.",
            (Expectation(DATA_FILE, "at the top of the container", "not found", met=False),),
            "Upload it by hand as described, or let the wizard do it.",
        )
    content = _local(context)
    if content is None:
        return _judge_alone(context, there)
    seen = _compare(context, there, content)
    ours = _is_marked(there.metadata, context)
    if _broke_off(context, there, content):
        return Result(
            Status.FAILED,
            f"The upload of {DATA_FILE} to {account} broke off at {there.length:,} of {len(content):,} bytes.",
            seen,
            "Let the wizard go on with it (do it for me).",
        )
    return judge(
        seen,
        passed=f"{DATA_FILE} is in {account}, whole: {_origin_words(census.examine(content))}.",
        failed=f"The {DATA_FILE} in {account} is another file than the one on this machine.",
        next_action="Let the wizard upload it again (do it for me)."
        if ours and context.ledger.made(lake.data_file_id(context))
        else "Delete it in the portal (Storage browser), then upload the right one or let the wizard do it.",
    )


def _judge_alone(context: StepContext, there: FileProperties) -> Result:
    """Tell how the file in the lake stands where there is none on this machine to compare it with."""
    account = context.here.storage_account
    if there.directory or there.length > census.MOST:
        what = "a folder" if there.directory else f"{there.length:,} bytes"
        wanted = f"a file of at most {census.MOST:,} bytes"
        seen = (Expectation(DATA_FILE, wanted, what, met=False),)
        return Result(
            Status.FAILED, f"The {DATA_FILE} in {account} is not the lab's.", seen, "Delete it in the portal."
        )
    content = context.services.data_lake.read(lake.endpoint(context), FILE_SYSTEM, DATA_FILE, etag=there.etag)
    data = census.examine(content)
    return judge(
        _expectations(context, data),
        passed=f"{DATA_FILE} is in {account}: {_origin_words(data)}.",
        failed=f"The {DATA_FILE} in {account} is not what it must be.",
        next_action="Delete it in the portal (Storage browser), then upload the right one or let the wizard do it.",
    )


def _plan_upload(context: StepContext) -> Sequence[Change]:
    account = context.here.storage_account
    create = Change("create", "File", DATA_FILE, f"{FILE_SYSTEM} in {account}", "next to nothing", 5)
    content = context.services.downloads.find(DATA_FILE)
    if content is None or not lake.is_there(context):
        return (create,)
    there = context.services.data_lake.file(lake.endpoint(context), FILE_SYSTEM, DATA_FILE)
    if there is None:
        return (create,)
    if _broke_off(context, there, content):
        note = f"goes on at {there.length:,} of {len(content):,} bytes"
        return (Change("change", "File", DATA_FILE, create.where, note=note),)
    unmet = [each for each in _compare(context, there, content) if not each.met]
    if not unmet:
        return (Change("leave", "File", DATA_FILE, create.where, note="is there, whole"),)
    note = "; ".join(f"{each.what} is {each.actual}, not {each.expected}" for each in unmet)
    ours = _is_marked(there.metadata, context) and context.ledger.made(lake.data_file_id(context))
    return (Change("change" if ours else "conflict", "File", DATA_FILE, create.where, note=note),)


@solve(plan=_plan_upload)
def upload_data_file(context: StepContext) -> None:
    """Upload the file in parts, or go on with an upload that broke off, or adopt the file that is there and is right.

    Raises:
        NotFoundError: There is no file on this machine, no lake or no container.
        ConflictError: Another file is there, which this wizard did not write, or somebody writes at the same time.
        AccessDeniedError: The data role is missing.
        ServiceError: The lake refused, or could not be asked.
    """
    channel, ledger, data_lake = context.channel, context.ledger, context.services.data_lake
    content = context.services.downloads.find(DATA_FILE)
    if content is None:
        raise NotFoundError(
            f"There is no copy of {DATA_FILE} on this machine.",
            "Do the step “Get the data file” first (initial-data/get-the-data-file).",
        )
    address, identity = lake.endpoint(context), lake.data_file_id(context)
    until = time.monotonic() + PATIENCE
    while True:
        try:
            there = data_lake.file(address, FILE_SYSTEM, DATA_FILE)
            if there is not None and _settled(context, there, content):
                return
            channel.stop_if_cancelled()
            if not ledger.made(identity):
                ledger.write(Fact.INTENT, context.target, identity, "File")
            _tell_beginning(context, there, content)
            data_lake.upload(
                address,
                FILE_SYSTEM,
                DATA_FILE,
                content,
                metadata={
                    METADATA: context.lab_id,
                    SOURCE: census.examine(content).origin.value,
                },
                replaces=there,
                told=_Teller(context, "Uploading"),
            )
            break
        except AccessDeniedError as error:
            if error.code != "AuthorizationPermissionMismatch" or time.monotonic() > until:
                raise
            channel.progress("The lake does not let you write yet: a new role comes and goes for some minutes")
            channel.wait(context.services.arm.poll_interval)
    ledger.write(Fact.CREATED, context.target, identity, "File")
    channel.say(f"{DATA_FILE} is in {context.here.storage_account}.")


def _settled(context: StepContext, there: FileProperties, content: bytes) -> bool:
    """Whether the file that is in the lake is the right one; it is adopted if it is not ours.

    Raises:
        ConflictError: It is another one, and not ours to write over.
    """
    identity, account = lake.data_file_id(context), context.here.storage_account
    mine = context.ledger.made(identity) and _is_marked(there.metadata, context)
    unmet = [each for each in _compare(context, there, content) if not each.met]
    if not unmet:
        if not mine:
            context.ledger.write(Fact.ADOPTED, context.target, identity, "File")
        elif not context.ledger.created(identity):
            context.ledger.write(Fact.CREATED, context.target, identity, "File")
        left = "" if mine else ": adopted, and left alone by a teardown"
        context.channel.say(f"{DATA_FILE} is in {account} already, whole{left}.")
        return True
    if mine or _broke_off(context, there, content):
        return False
    what = ", ".join(f"{each.what} is {each.actual}, not {each.expected}" for each in unmet)
    raise ConflictError(
        f"{account} has another {DATA_FILE}, which this wizard did not write: {what}.",
        "If nobody needs it, delete it in the portal (Storage browser), then try again.",
    )


def _tell_beginning(context: StepContext, there: FileProperties | None, content: bytes) -> None:
    account = context.here.storage_account
    if there is not None and _broke_off(context, there, content) and there.length:
        context.channel.say(f"The upload to {account} broke off at {there.length:,} bytes; going on from there …")
    else:
        context.channel.say(f"Uploading {DATA_FILE} to {account} …")


def _plan_removing_upload(context: StepContext) -> Sequence[Change]:
    if not context.ledger.made(lake.data_file_id(context)) or not lake.is_there(context):
        return ()
    there = _find_upload(context)
    if there is None:
        return ()
    where = f"{FILE_SYSTEM} in {context.here.storage_account}"
    if not _is_marked(there.metadata, context):
        note = "it no longer bears the wizard's mark: left alone"
        return (Change("leave", "File", DATA_FILE, where, note=note),)
    return (Change("delete", "File", DATA_FILE, where),)


def _find_upload(context: StepContext) -> FileProperties | None:
    """Return the file in the lake, or None; without its container it is gone as well."""
    try:
        return context.services.data_lake.file(lake.endpoint(context), FILE_SYSTEM, DATA_FILE)
    except NotFoundError:
        return None


@undo(plan=_plan_removing_upload)
def delete_data_file(context: StepContext) -> None:
    """Delete the file from the lake, if this wizard wrote it.

    Raises:
        ConflictError: Somebody changed it just now.
        AccessDeniedError: The data role is gone.
        ServiceError: The lake refused, or the file is still there afterwards.
    """
    channel, identity = context.channel, lake.data_file_id(context)
    if not context.ledger.made(identity):
        channel.say(f"{DATA_FILE} was not uploaded by this wizard: left alone.")
        return
    there = _find_upload(context) if lake.is_there(context) else None
    if there is not None:
        if not _is_marked(there.metadata, context):
            channel.say(f"{DATA_FILE} no longer bears the wizard's mark: left alone.")
            return
        channel.stop_if_cancelled()
        address = lake.endpoint(context)
        context.services.data_lake.delete(address, FILE_SYSTEM, DATA_FILE, etag=there.etag)
        if _find_upload(context) is not None:
            raise ServiceError(f"{DATA_FILE} is still there after its deletion.", "Run the teardown again in a minute.")
    context.ledger.write(Fact.DELETED, context.target, identity, "File")
    channel.say(f"{DATA_FILE} is gone from {context.here.storage_account}.")
