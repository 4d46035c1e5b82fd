"""Where the wizard keeps its files."""

from __future__ import annotations

import errno
import os
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hol_wizard.errors import UsageError

VARIABLE = "HOL_WIZARD_HOME"
"""Environment variable that puts everything under one folder."""


@dataclass(frozen=True, slots=True)
class Home:
    """The folders of one person on one machine."""

    config: Path
    """The person's choices, which are worth a backup."""
    state: Path
    """What the wizard records: ledgers, last results, the log, the practice cloud."""
    cache: Path | None = None
    """What can be downloaded again; None: a folder in `state`."""

    @classmethod
    def default(cls, environ: Mapping[str, str] = os.environ) -> Home:
        """Return this system's folders for such files, or those under `HOL_WIZARD_HOME`.

        Raises:
            UsageError: The value of a variable cannot be a folder.
        """
        if chosen := environ.get(VARIABLE, ""):
            if problem := problem_with_path(chosen):
                raise UsageError(
                    f"{VARIABLE} names no folder: {problem}.", f"Set it to another folder: {_set_variable()}"
                )
            home = expanded(chosen)
            return cls(home / "config", home / "state", home / "cache")
        import platformdirs

        folders = platformdirs.PlatformDirs("hol-wizard", appauthor=False)
        try:
            found = (folders.user_config_path, folders.user_state_path, folders.user_cache_path)
        except RuntimeError as error:
            raise homeless(f", or choose a folder for the wizard's files: {_set_variable()}") from error
        for kind, path in zip(("CONFIG", "STATE", "CACHE"), found, strict=True):
            if problem := problem_with_path(str(path)):
                raise UsageError(
                    f"The folder for the wizard's files cannot be used: {problem}.",
                    f"Check the variables XDG_{kind}_HOME and HOME, or set another folder: {_set_variable()}",
                )
        return cls(*found)

    def choices_file(self, cloud: str, profile: str) -> Path:
        """Return the file with a profile's choices (`hol_wizard.lab.choices`)."""
        return self.config / cloud / f"{profile}.toml"

    def state_folder(self, cloud: str, profile: str) -> Path:
        """Return the folder with a profile's records."""
        return self.state / cloud / profile

    def ledger_file(self, cloud: str, profile: str) -> Path:
        """Return the file that lists what this wizard created (`hol_wizard.engine.ledger`)."""
        return self.state_folder(cloud, profile) / "ledger.jsonl"

    def progress_file(self, cloud: str, profile: str) -> Path:
        """Return the file with the last results, which show what no longer passes."""
        return self.state_folder(cloud, profile) / "progress.json"

    def confirmations_file(self, cloud: str, profile: str) -> Path:
        """Return the file with a profile's confirmations (`hol_wizard.engine.confirmations`)."""
        return self.state_folder(cloud, profile) / "confirmations.jsonl"

    def lock_file(self, cloud: str, profile: str) -> Path:
        """Return the file that a wizard locks while it makes changes for a profile."""
        return self.state_folder(cloud, profile) / "wizard.lock"

    def cache_folder(self, cloud: str, profile: str) -> Path:
        """Return the folder of a profile's downloads."""
        return (self.cache or self.state / "cache") / cloud / profile

    @property
    def trusted_labs_file(self) -> Path:
        """The list of the labs that the person trusts (`hol_wizard.lab.trust`)."""
        return self.config / "trusted-labs.json"

    @property
    def log_file(self) -> Path:
        """The log of all wizards of this person."""
        return self.state / "log" / "hol-wizard.log"

    @property
    def practice_folder(self) -> Path:
        """The practice cloud's own folder."""
        return self.state / "practice"

    def ensure_writable(self) -> None:
        """Create both folders if they are missing, and check that a file can be written there.

        Raises:
            UsageError: A folder cannot be created or written; the message names the folder, the reason and the remedy.
        """
        for folder in dict.fromkeys((self.config, self.state)):
            probe = folder / f".writable-{os.getpid()}"
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                probe.write_bytes(b"hol-wizard\n")
                probe.unlink()
            except OSError as error:
                raise unwritable(folder, error) from error


def unwritable(path: Path, error: OSError) -> UsageError:
    """Return the error that says why one of the wizard's files or folders cannot be written, and what to do."""
    elsewhere = f"or keep the wizard's files elsewhere: {_set_variable()}"
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        why, remedy = "the disk is full", f"Free some space, {elsewhere}"
    elif error.errno == errno.EROFS:
        why, remedy = "the disk is read-only", f"Make it writable, {elsewhere}"
    elif error.errno in (errno.EEXIST, errno.ENOTDIR) and (in_the_way := _file_among(path)):
        why = f"{in_the_way} is a file, but must be a folder"
        remedy = f"Move that file, {elsewhere}"
    elif error.errno in (errno.EACCES, errno.EPERM):
        why, remedy = "you may not write there", f"Give yourself the right to write there, {elsewhere}"
    else:
        why, remedy = error.strerror or str(error), f"Correct this, {elsewhere}"
    return UsageError(f"Cannot write to {path}: {why}.", remedy, detail=str(error))


def is_utf_8(path: str | Path) -> bool:
    """Return whether the name of a path is UTF-8; Python keeps other names, but not every program does."""
    return not any(_is_byte(character) for character in str(path))


def for_programs(folder: Path) -> Path:
    """Return a folder for programs that require UTF-8 in paths, such as pip and venv: this one if its path is UTF-8.

    Otherwise, it is one in the system's folder for temporary files, to which only this account has access.

    Raises:
        OSError: It cannot be created, or others have access.
    """
    if is_utf_8(folder):
        return folder
    import hashlib
    import stat
    import tempfile

    temporary = Path(tempfile.gettempdir())
    own = (temporary if is_utf_8(temporary) else Path("/tmp")) / f"hol-wizard-{os.getuid()}"  # noqa: S108 checked below
    with suppress(FileExistsError):
        own.mkdir(mode=0o700)
    found = own.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(errno.EPERM, "others have access to it: remove it", str(own))
    return own / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]


def is_there(path: str | Path) -> bool:
    """Return whether a path exists; a path that no system accepts does not."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        # Too long a name, or a NUL character.
        return False


_LONGEST_NAME: Final = 255
"""Bytes that common file systems allow (limits.h: NAME_MAX)."""
_LONGEST_PATH: Final = 1000 if sys.platform == "darwin" else 4000
"""Bytes, with room for what is appended (limits.h: PATH_MAX is 1024 there and 4096 on Linux)."""


def _is_invisible(character: str) -> bool:
    """Return whether a character is a space, a control character, or one of format: a mark of direction, U+FEFF."""
    return character.isspace() or unicodedata.category(character) in {"Cc", "Cf"}


def without_invisible(text: str) -> str:
    """Return a text without the invisible characters at its ends, which come along when it is copied or set by a
    script: a carriage return, a zero-width space, a byte order mark."""
    start, end = 0, len(text)
    while start < end and _is_invisible(text[start]):
        start += 1
    while end > start and _is_invisible(text[end - 1]):
        end -= 1
    return text[start:end]


def shown(character: str) -> str:
    """Return a character as a person can recognize it: `ü`, or the number and name of an invisible one."""
    if character == " ":
        return "a space"
    if not _is_invisible(character):
        return f"`{character}`"
    name = unicodedata.name(character, "").lower()
    return f"an invisible character (U+{ord(character):04X}{f', {name}' if name else ''})"


def problem_with_text(text: str, *, is_list: bool = False, is_path: bool = False) -> str:
    """Return why a text cannot be a value or a file name, without quoting it; empty if it can.

    Args:
        text: The text, from a person or a file.
        is_list: It contains several values, and may therefore be longer than a name.
        is_path: It is only used as a path. Names of files are bytes on Linux, in older installations not in UTF-8.
            Python has a surrogate for each of such bytes (PEP 383).
    """
    for character in text:
        if character < " " or "\x7f" <= character <= "\x9f":
            return f"it has a control character (U+{ord(character):04X})"
        if "\ud800" <= character <= "\udfff" and not (is_path and _is_byte(character)):
            return "it is not valid UTF-8"
    if not is_list and any(len(os.fsencode(name)) > _LONGEST_NAME for name in Path(text).parts):
        return f"a name in it is longer than {_LONGEST_NAME} bytes"
    return ""


def problem_with_path(text: str) -> str:
    """Return why a text cannot be a path, without quoting it; empty if it can."""
    if problem := problem_with_text(text, is_path=True):
        return problem
    if len(os.fsencode(text)) > _LONGEST_PATH:
        return f"it is longer than {_LONGEST_PATH} bytes"
    return "the user after ~ is unknown" if str(expanded(text)).startswith("~") else ""


def _is_byte(character: str) -> bool:
    """Return whether a character stands for a byte of a file's name that is not UTF-8."""
    return "\udc80" <= character <= "\udcff" and sys.platform != "win32"


def as_text(path: str) -> str:
    """Return a path as a file in UTF-8 can contain it: from `~` if the home folder's name is not UTF-8.

    Any other name that is not UTF-8 is returned unchanged (`problem_with_saved_path`).
    """
    if is_utf_8(path):
        return path
    with suppress(ValueError, RuntimeError):
        return str(Path("~", Path(path).relative_to(Path.home())))
    return path


def problem_with_saved_path(text: str) -> str:
    """Return why a text cannot be a path in a file of the wizard, without quoting it; empty if it can."""
    return problem_with_path(text) or problem_with_text(as_text(text))


def expanded(text: str) -> Path:
    """Return the absolute path that a person means; if `~` cannot be resolved, the text itself."""
    try:
        return Path(text).expanduser().absolute()
    except (RuntimeError, ValueError):
        # No such user, or no user could be called so.
        return Path(text)


def home_folder() -> Path:
    """Return the person's home folder.

    Raises:
        UsageError: It cannot be determined: no variable names it, and the system does not know the account.
    """
    try:
        return Path.home()
    except RuntimeError as error:
        raise homeless() from error


def homeless(otherwise: str = "") -> UsageError:
    """Return the error if nothing says where the person's home folder is.

    Args:
        otherwise: What else helps; it follows the advice to set the variable.
    """
    variable = "USERPROFILE" if sys.platform == "win32" else "HOME"
    return UsageError(
        "Your home folder cannot be determined: no variable names it, and the system does not know your account.",
        f"Set the variable {variable} to a folder of yours{otherwise}.",
    )


def _file_among(path: Path) -> Path | None:
    return next((place for place in (path, *path.parents) if is_there(place) and not place.is_dir()), None)


def _set_variable() -> str:
    if sys.platform == "win32":
        return f'$env:{VARIABLE} = "C:\\a\\folder\\of\\yours"'
    return f"export {VARIABLE}=/a/folder/of/yours"


def read_file(path: Path) -> bytes:
    """Return a file's content; a named pipe, which would wait for a writer forever, and a device are refused.

    Raises:
        OSError: It cannot be read, or is not a file.
    """
    import stat

    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is not a file")
        return file.read()


def write_private(path: Path, data: bytes) -> None:
    """Replace a file completely or not at all, readable only by its owner.

    Raises:
        UsageError: It cannot be written; the previous file is unchanged.
    """
    # The length of its name does not depend on the file's name.
    draft = path.with_name(f".{os.urandom(6).hex()}.draft")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        # A file that could not be written often cannot be removed either; the original error is already being raised.
        with suppress(OSError):
            draft.unlink(missing_ok=True)


_LOCK_WAIT: Final = 10.0
"""Seconds to wait for another wizard, which holds the lock of a file only for a few milliseconds."""


@contextmanager
def only_writer(path: Path, what: str) -> Iterator[None]:
    """Keep other wizards from writing a file in the meantime; the lock is a file next to it.

    Args:
        path: The file.
        what: Its contents, for the message: `the list of trusted labs`.

    Raises:
        UsageError: Another wizard is still writing it, or it cannot be locked.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_suffix(".lock"), thread_local=False)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire(timeout=_LOCK_WAIT)
    except Timeout as error:
        raise UsageError(f"Another wizard is writing {what}.", "Try again in a moment.") from error
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        yield
    finally:
        lock.release()


def keep_damaged(path: Path) -> Path:
    """Copy a damaged file under an unused name, so that nothing in it is lost, and return the copy's path.

    Raises:
        OSError: It cannot be read.
        UsageError: The copy cannot be written.
    """
    from datetime import UTC, datetime

    name = f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    places = (path.with_name(f"{name}-{number}" if number else name) for number in range(1_000_000))
    kept = next(place for place in places if not place.exists())
    write_private(kept, read_file(path))
    return kept
