"""The data file in a data lake, identical to the copy on this machine."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from hol_wizard.engine.kinds import kind
from hol_wizard.engine.ownership import Pending, Resource, owns
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import NotFoundError, ServiceError
from hol_wizard.resources import lake
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.data_file import Teller, expectations, local, origin_words
from hol_wizard.resources.lake import DATA_FILE, FILE_SYSTEM
from hol_wizard.resources.storage_account import data_lake
from hol_wizard.resources.storage_container import METADATA
from hol_wizard.services import dataset
from hol_wizard.services.data_lake import FileProperties

SOURCE = "hol_wizard_source"
"""Metadata with the origin of the uploaded file (`Origin`)."""


_STALLED = 60.0
"""Seconds without a new part after which an upload counts as interrupted; a part is one megabyte."""


@kind("lake_data_file", uses=("storage_account",), deadline=60)
@dataclass(frozen=True)
class LakeDataFile(Resource[FileProperties]):
    """The data file at the top of the lake's container, identical to the copy on this machine."""

    context: StepContext
    kind = "File"
    name = DATA_FILE
    patience: ClassVar[float] = 120.0
    """Seconds to wait for a lake that still refuses a role that already worked at another of its front ends."""

    @property
    def id(self) -> str:
        """Return its path in the container, below the container's ID."""
        return lake.data_file_id(self.context)

    @property
    def parent(self) -> Resource[Any]:
        """Return the lake: without a data role, its files are not visible."""
        return data_lake(self.context)

    @property
    def where(self) -> str:
        """Return container and account."""
        return f"{FILE_SYSTEM} in {self._storage}"

    @property
    def cost(self) -> str:
        """Return the cost: almost nothing."""
        return "almost nothing"

    @property
    def _storage(self) -> str:
        return self.context.here.storage_account

    @property
    def _content(self) -> bytes | None:
        return local(self.context)

    # Checking

    def find(self, reads: ReadCache) -> FileProperties | None:
        """Return the properties of the file in the lake."""
        address = lake.endpoint(self.context)
        return reads.share(
            ("lake file", self.id), lambda: self.context.services.data_lake.file(address, FILE_SYSTEM, self.name)
        )

    def marked(self, found: FileProperties, noted: str | None) -> bool:
        """Return whether its metadata contains the lab's ID."""
        del noted
        return self.context.is_lab_id(found.metadata.get(METADATA))

    def expectations(self, found: FileProperties) -> Sequence[Expectation]:
        """Return the expectations: identical to the copy on this machine or, without a copy, usable for the lab."""
        content = self._content
        if content is None:
            return self._alone(found)
        if found.directory:
            return (Expectation("Kind", "a file", "a folder", met=False),)
        wanted, actual = len(content), found.length
        size = Expectation("Size", f"{wanted:,} bytes", f"{actual:,} bytes", actual == wanted)
        if not size.met:
            return (size,)
        expected = hashlib.sha256(content).hexdigest()
        digest, how = self._digest(found, content)
        said, own = found.metadata.get(SOURCE, ""), dataset.examine(content).origin
        return (
            size,
            Expectation("SHA-256", expected, f"{digest} ({how})", digest == expected),
            Expectation(
                "Source, as noted in its metadata", own.value, said or "nothing noted", not said or said == own.value
            ),
        )

    def _alone(self, found: FileProperties) -> Sequence[Expectation]:
        if found.directory or found.length > dataset.MOST:
            what = "a folder" if found.directory else f"{found.length:,} bytes"
            return (Expectation(self.name, f"a file of at most {dataset.MOST:,} bytes", what, met=False),)
        return expectations(self.context, dataset.examine(self._read(found)))

    def _read(self, found: FileProperties) -> bytes:
        service, address = self.context.services.data_lake, lake.endpoint(self.context)
        return service.read(address, FILE_SYSTEM, self.name, etag=found.etag)

    def _digest(self, found: FileProperties, content: bytes) -> tuple[str, str]:
        """Return the digest of the file in the lake, and its source: the MD5, or reading the file."""
        md5 = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
        if found.content_md5 == md5:
            return hashlib.sha256(content).hexdigest(), "by its MD5"
        return hashlib.sha256(self._read(found)).hexdigest(), "by reading it"

    def pending(self, found: FileProperties) -> Pending | None:
        """Return whether another wizard is uploading the same file: it records the digest of the whole file first."""
        content = self._content
        if content is None or self.marked(found, None) or found.length >= len(content):
            return None
        if found.sha256 != hashlib.sha256(content).hexdigest() or found.age > _STALLED:
            return None
        return Pending("being uploaded", can_be_deleted=True)

    def _broke_off(self, found: FileProperties) -> bool:
        """Return whether it is the beginning of our own upload of these contents."""
        content = self._content
        ours = content is not None and self.marked(found, None)
        return (
            ours
            and content is not None
            and found.sha256 == hashlib.sha256(content).hexdigest()
            and found.length < len(content)
        )

    # Creating

    def create(self, begun: Callable[[str], None]) -> str:
        """Upload it in parts."""
        del begun
        self.context.reporter.say(f"Uploading {self.name} to {self._storage} …")
        self._upload(None)
        return ""

    def passes(self, error: ServiceError) -> bool:
        """Return whether a new role is not yet effective everywhere, which takes a few minutes."""
        return error.code == "AuthorizationPermissionMismatch"

    def changeable(self, found: FileProperties, *, ours: bool) -> bool:
        """Return whether we may overwrite it, and there is something to write."""
        return self._content is not None and (ours or self._broke_off(found))

    def difference(self, found: FileProperties) -> str:
        """Return where an interrupted upload continues."""
        if self._broke_off(found):
            return f"goes on at {found.length:,} of {len(self._content or b''):,} bytes"
        return super().difference(found)

    def change(self, found: FileProperties) -> None:
        """Upload it again, or continue an interrupted upload."""
        if self._broke_off(found) and found.length:
            broke_off = f"The upload to {self._storage} stopped at {found.length:,} bytes; continuing from there …"
            self.context.reporter.say(broke_off)
        self._upload(found)

    def _upload(self, replaces: FileProperties | None) -> None:
        content = self._content
        if content is None:
            raise NotFoundError(
                f"There is no copy of {self.name} on this machine.",
                "<first initial-data/get-the-data-file>.",
            )
        self.context.services.data_lake.upload(
            lake.endpoint(self.context),
            FILE_SYSTEM,
            self.name,
            content,
            metadata={METADATA: self.context.lab_id, SOURCE: dataset.examine(content).origin.value},
            replaces=replaces,
            told=Teller(self.context, "Uploading"),
        )

    def delete(self, found: FileProperties) -> None:
        """Delete it if it has not changed since it was found."""
        address = lake.endpoint(self.context)
        self.context.services.data_lake.delete(address, FILE_SYSTEM, self.name, etag=found.etag)

    # Texts

    def absence(self) -> Result:
        """Return the result if it is not in the container."""
        return Result(
            Status.FAILED,
            f"{self.name} is not in container {FILE_SYSTEM} of {self._storage}.",
            (Expectation(self.name, "at the top of the container", "not found", met=False),),
            "Upload it by hand as described, or <solve>.",
        )

    def result(self, found: FileProperties) -> Result:
        """Return the result: whether it is identical to the copy on this machine."""
        content, seen = self._content, tuple(self.expectations(found))
        if content is None:
            data = None if found.directory or found.length > dataset.MOST else dataset.examine(self._read(found))
            return judge(
                seen,
                passed=f"{self.name} is in {self._storage}: {origin_words(data) if data else 'a folder'}.",
                failed=f"The {self.name} in {self._storage} is not the expected file.",
                next_action=self.remedy(found),
            )
        if self._broke_off(found):
            there = f"{found.length:,} of {len(content):,} bytes"
            return Result(
                Status.FAILED,
                f"The upload of {self.name} to {self._storage} stopped at {there}.",
                seen,
                "To continue it, <solve>.",
            )
        return judge(
            seen,
            passed=f"{self.name} is in {self._storage}, whole: {origin_words(dataset.examine(content))}.",
            failed=f"The {self.name} in {self._storage} differs from the file on this machine.",
            next_action=self.remedy(found),
        )

    def remedy(self, found: FileProperties) -> str:
        """Return how to replace it."""
        if self._content is not None and owns(self, found):
            return "To upload it again, <solve>."
        return "Delete it in the portal (Storage browser), then upload the right one, or <solve>."
