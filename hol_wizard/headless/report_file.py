"""Where a report goes: standard output, or a file that is replaced completely or not at all."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from hol_wizard.errors import UsageError
from hol_wizard.headless.output import put
from hol_wizard.person_files import ChangedError, Rewriting, UnfitError
from hol_wizard.report import is_report


class ReportFile:
    """Where the report goes: standard output, or a file that is written completely or not at all.

    A script names the same file in every run, so a report of this program or an empty file is replaced. Any other file
    is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: Rewriting | None = None
        self._device: TextIO | None = None

    def __enter__(self) -> ReportFile:
        """Open the file, so that a problem is reported before any work.

        Raises:
            UsageError: It cannot be written, or is not a report of this program.
        """
        if self._path is None or _is_stdout(self._path):
            return self
        try:
            if self._path.exists() and not self._path.is_file() and not self._path.is_dir():
                # A device or a pipe is written directly.
                self._device = self._path.open("w", encoding="utf-8", newline="\n")
                return self
            self._file = Rewriting(self._path)
            if self._file.before and not is_report(self._file.before):
                raise UsageError(
                    f"{self._path} is not a report of hol-wizard, so it is not replaced.",
                    f"Name another file, or move this one. To replace it anyway: … > {self._path}",
                )
            self._file.prepare()
        except UnfitError as error:
            raise self._unwritable(str(error)) from error
        except OSError as error:
            raise self._unwritable((error.strerror or str(error)).lower()) from error
        return self

    def _unwritable(
        self, why: str, hint: str = "Name a file in an existing folder that you may write to."
    ) -> UsageError:
        return UsageError(f"The output file {self._path} cannot be written: {why}.", hint)

    def write(self, text: str) -> None:
        """Write the report and move it into place.

        Raises:
            UsageError: The disk refused it, or the file has changed in the meantime; the old contents are kept.
        """
        try:
            if self._device is not None:
                self._device.write(text)
                self._device.close()
            elif self._file is not None:
                self._file.write(text.encode("utf-8", "backslashreplace"))
            else:
                put(text)
        except ChangedError as error:
            raise self._unwritable("another program has changed it in the meantime", "Name another file.") from error
        except OSError as error:
            raise self._unwritable(
                (error.strerror or str(error)).lower(), "Free some space, or name another file, and check again."
            ) from error

    def __exit__(self, *_: object) -> None:
        """Leave no draft behind."""
        if self._device is not None:
            with suppress(OSError):
                self._device.close()
        if self._file is not None:
            self._file.__exit__()


def _is_stdout(path: Path) -> bool:
    """Return whether a path is standard output: `/dev/stdout`."""
    try:
        return os.path.samestat(path.stat(), os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError):
        # The path does not exist, or standard output is not a file.
        return False
