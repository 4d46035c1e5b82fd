"""Collects all problems of a pipeline instead of stopping at the first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hol_wizard.practice.pipelines.plan import Note, PipelineError, Position


@dataclass(slots=True)
class Findings:
    """What is found while a plan is made."""

    problems: list[Note] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Keep the problems of the block, and continue after it."""
        try:
            yield
        except PipelineError as error:
            self.problems += error.problems

    def problem(self, place: Position, message: str) -> None:
        """Keep a problem."""
        self.problems.append(Note(place, message))

    def note(self, place: Position, message: str) -> None:
        """Keep a note, once."""
        if Note(place, message) not in self.notes:
            self.notes.append(Note(place, message))

    def check(self) -> None:
        """Stop if there is a problem.

        Raises:
            PipelineError: There is one.
        """
        if self.problems:
            raise PipelineError(tuple(dict.fromkeys(self.problems)))
