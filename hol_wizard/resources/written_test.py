"""A unit test that the wizard writes in the reader's place, at the end of the file with the starter's test."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.errors import ConflictError, NotFoundError
from hol_wizard.person_files import ChangedError, Rewriting, UnfitError
from hol_wizard.resources.context import StepContext

TEST_FILE: Final = "Project_One-Tests/test_model.py"
_NAME: Final = "test_written_by_the_wizard"
_BODY: Final = """def test_written_by_the_wizard():
    from inference_code.model_class import MyModel

    model = MyModel()
    model.init()
    person = {"age": 37, "hours-per-week": 40.0, "sex": "Female", "occupation": "Exec-managerial"}
    answer = model.predict(person)["estimated_wages"]
    assert isinstance(answer, float)
    assert model.x_scaler.n_features_in_ == model.model.n_features_in_
"""
"""It needs nothing of the file around it, whatever has become of that."""


@dataclass(frozen=True)
class WrittenTest(Resource[str]):
    """The text of the test, from its comment to the end of the file or the next text at the margin."""

    context: StepContext
    folder: str
    """Of the reader's clone."""
    kind = "Unit test"
    name = _NAME
    mark = "comment above it"
    usually = 1.0

    @property
    def id(self) -> str:
        """Return its ID in the ledger."""
        return f"this-machine/{self._path}#{_NAME}"

    @property
    def _path(self) -> Path:
        return Path(self.folder, TEST_FILE)

    @property
    def where(self) -> str:
        """Return the file."""
        return str(self._path)

    @property
    def note(self) -> str:
        """Return that it is not the reader's."""
        return "written by the wizard, not by you: the lab asks for a test of your own"

    @property
    def _comment(self) -> str:
        return f"# Written by {self.context.mark}, not by the attendee: replace it with a test of your own.\n"

    # Checking

    def find(self, reads: ReadCache) -> str | None:
        """Return its text with the comment, or None.

        Raises:
            NotFoundError: There is no file that it could be in.
        """
        del reads
        found = _BLOCK.search(self._source().replace("\r\n", "\n"))
        return found[0] if found else None

    def _source(self) -> str:
        try:
            return self._path.read_bytes().decode("utf-8")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFoundError(
                f"There is no {TEST_FILE} in your clone {self.folder}.",
                "<first scientist-setup/create-your-branch>.",
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise ConflictError(
                f"{self._path} cannot be read: {error}.", "Look at the file's rights, and save it as UTF-8."
            ) from error

    def marked(self, found: str, noted: str | None) -> bool:
        """Return whether the comment above it names this lab."""
        del noted
        return found.startswith(self._comment)

    # Writing

    def create(self, begun: Callable[[str], None]) -> str:
        """Write it at the end of the file, with the line ends that the file has."""
        del begun
        self._rewrite(lambda text: f"{text.rstrip()}\n\n\n{self._comment}{_BODY}")
        return ""

    def stays(self, found: str) -> str:
        """Return whether somebody has worked on it."""
        return "" if found.strip() == f"{self._comment}{_BODY}".strip() else "you have changed it"

    def delete(self, found: str) -> None:
        """Take it out of the file."""
        self._rewrite(lambda text: f"{text.replace(found, '').rstrip()}\n")

    def _rewrite(self, change: Callable[[str], str]) -> None:
        before = self._source()
        ends = "\r\n" if "\r\n" in before else "\n"
        after = change(before.replace("\r\n", "\n")).replace("\n", ends)
        try:
            with Rewriting(self._path) as file:
                if file.before != before.encode():
                    raise ConflictError(f"{self._path} has just changed.", "Save what you are editing, and try again.")
                file.write(after.encode())
        except (OSError, UnfitError, ChangedError) as error:
            raise ConflictError(
                f"{self._path} cannot be written: {error}.", "Look at the file's rights, then try again."
            ) from error


_BLOCK: Final = re.compile(
    rf"(?:^# Written by [^\n]*\n)?^def {_NAME}\(\):\n(?:(?:[ \t][^\n]*)?\n)*(?:[ \t][^\n]+\Z)?", re.M
)
