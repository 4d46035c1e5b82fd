"""The copy of the data file that the wizard keeps on this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hol_wizard.engine.kinds import kind
from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import ConflictError, ServiceError, UsageError, WizardError
from hol_wizard.lab.choices import Choices
from hol_wizard.lab.inputs import ORIGINAL, STAND_IN
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.data_file import (
    ANOTHER,
    Teller,
    choice,
    examined,
    expectations,
    generated,
    origin_words,
    own_file,
    read_own,
)
from hol_wizard.resources.lake import DATA_FILE
from hol_wizard.services import dataset
from hol_wizard.services.dataset import Origin
from hol_wizard.services.downloads import Downloads


@kind("local_data_file")
@dataclass(frozen=True)
class LocalDataFile(Resource[bytes]):
    """A copy in the wizard's folder: downloaded, generated, or copied from the person's own file."""

    context: StepContext
    kind = "Data file"
    name = DATA_FILE
    unmarked = "a file has no mark: the wizard owns it if it has written it"

    @property
    def id(self) -> str:
        """Return its ID in the ledger; like the ledger, the copy belongs to one profile."""
        return f"this-machine/{DATA_FILE}"

    @property
    def _downloads(self) -> Downloads:
        return self.context.services.downloads

    @property
    def where(self) -> str:
        """Return its path."""
        return str(self._downloads.file(DATA_FILE))

    @property
    def _is_downloaded(self) -> bool:
        return own_file(self.context) is None and not generated(self.context)

    @property
    def cost(self) -> str:
        """Return the cost: a small download."""
        return "free: less than 1 MB to download" if self._is_downloaded else "free"

    @property
    def usually(self) -> float:
        """Return the usual duration in seconds."""
        return 10.0 if self._is_downloaded else 1.0

    @property
    def note(self) -> str:
        """Return its source."""
        own = own_file(self.context)
        if own is not None:
            return f"from {own}: {origin_words(examined(self.context, read_own(own)))}"
        if generated(self.context):
            return "generated here, without the internet and without real people"
        return f"from {dataset.SOURCE_WORDS}, licence {dataset.LICENCE}"

    # Checking

    def find(self, reads: ReadCache) -> bytes | None:
        """Return its contents."""
        return reads.share(("data file",), lambda: self._downloads.find(DATA_FILE))

    def marked(self, found: bytes, noted: str | None) -> bool:
        """Return whether the wizard has written it: nobody else writes into the wizard's folder."""
        del found
        return noted is not None

    def identity(self, found: bytes) -> str:
        """Return its digest."""
        return hashlib.sha256(found).hexdigest()

    def expectations(self, found: bytes) -> Sequence[Expectation]:
        """Return the expectations: the lab can use it, and it is the wanted file."""
        data = examined(self.context, found)
        seen = list(expectations(self.context, data))
        own = own_file(self.context)
        if own is not None and own.is_file():
            if read_own(own) != found:
                other = f"{own} differs from the file that was copied"
                seen.append(Expectation("Your own file", "the copy that the wizard keeps", other, met=False))
        elif own is not None and choice(self.context) != Choices.load(self.context.profile.path).own_data_file:
            # The file of an earlier choice may be gone, because its copy is kept; a file that is named now may not.
            seen.append(Expectation("Your own file", f"in {own}", "not there", met=False))
        if choice(self.context) == ORIGINAL and data.origin is not Origin.ORIGINAL:
            seen.append(Expectation("Origin", "the lab's file", origin_words(data), met=False))
        return seen

    # Creating

    def obstacle(self) -> WizardError | None:
        """Return an error if the person's own file is unsuitable."""
        own = own_file(self.context)
        if own is None:
            return None
        try:
            problem = examined(self.context, read_own(own)).problem
        except UsageError as error:
            return error
        if not problem:
            return None
        return ConflictError(
            f"{own} is not what the lab needs: {problem}.",
            f"Give another file, or use the lab's own: {ANOTHER} {ORIGINAL}",
        )

    def create(self, begun: Callable[[str], None]) -> str:
        """Get it, and store it completely or not at all."""
        del begun
        content = self._gotten()
        data = examined(self.context, content)
        self.context.reporter.stop_if_cancelled()
        where = self._downloads.keep(DATA_FILE, content)
        kept = f"{data.size:,} bytes, {data.rows:,} rows, {origin_words(data)}"
        self.context.reporter.say(f"{DATA_FILE} is kept as {where}: {kept}.")
        return self.identity(content)

    def changeable(self, found: bytes, *, ours: bool) -> bool:
        """Return whether it can be replaced: the wizard's folder contains nobody's work."""
        del found, ours
        return self.obstacle() is None

    def change(self, found: bytes) -> None:
        """Get it again."""
        del found
        self.create(lambda address: None)

    def _gotten(self) -> bytes:
        reporter, own = self.context.reporter, own_file(self.context)
        if own is not None:
            content = read_own(own)
            data = examined(self.context, content)
            if data.origin is Origin.OTHER:
                taken = "It has the lab's columns and is used."
                reporter.say(f"{own} is not the lab's file: digest {data.sha256}. {taken}")
            return content
        if generated(self.context):
            reporter.say(f"Generating a stand-in for {DATA_FILE}: it has the same form, but contains no real people.")
            return dataset.stand_in()
        reporter.say(f"Downloading {dataset.SOURCE_WORDS} (licence: {dataset.LICENCE}) …")
        sources = self.context.services.endpoints.data_sources
        try:
            return self._downloads.fetch(sources, dataset.build, Teller(self.context, "Downloading"))
        except ServiceError as error:
            raise type(error)(
                f"{DATA_FILE} cannot be downloaded from its public source: {error.message}",
                f"Give a copy of your own: {ANOTHER} FILE. Or use a generated one, which contains no real people: "
                f"{ANOTHER} {STAND_IN}",
                code=error.code,
                detail=error.detail,
            ) from error

    # Removing

    def delete(self, found: bytes) -> None:
        """Remove the copy, but not the person's own file."""
        del found
        self._downloads.forget(DATA_FILE)

    def trace(self) -> str:
        """Return partial downloads."""
        return "leftovers of unfinished downloads" if self._downloads.rests() else ""

    def purge(self) -> bool:
        """Remove partial downloads."""
        self._downloads.forget(DATA_FILE)
        return True

    # Texts

    def absence(self) -> Result:
        """Return the result if there is no copy."""
        return Result(
            Status.FAILED,
            f"There is no copy of {DATA_FILE} yet.",
            (Expectation(DATA_FILE, "on this machine, checked", "not there", met=False),),
            f"To download it, <solve>. Or give your own copy: {ANOTHER} FILE",
        )

    def result(self, found: bytes) -> Result:
        """Return the result: its origin, and whether it fits."""
        data = examined(self.context, found)
        return judge(
            self.expectations(found),
            passed={
                Origin.ORIGINAL: f"{DATA_FILE} exists and is the lab's file.",
                Origin.STAND_IN: f"A generated stand-in for {DATA_FILE} exists: it has the same form, but "
                "contains no real people.",
                Origin.OTHER: f"Your own {DATA_FILE} exists and fits; it is not the lab's file: digest {data.sha256}.",
            }[data.origin],
            failed=f"The copy of {DATA_FILE} is not the expected file.",
            next_action=self.remedy(found),
            detail=f"{self.where}\nsha256 {data.sha256}",
        )

    def remedy(self, found: bytes) -> str:
        """Return that it is downloaded again, or what is wrong with the person's own file."""
        del found
        wrong = self.obstacle()
        return f"{wrong.message} {wrong.hint}" if wrong else "To download it again, <solve>."
