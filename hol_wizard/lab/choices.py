"""A person's choices, in one file for each profile and cloud."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from hol_wizard.errors import UsageError
from hol_wizard.lab.names import USUAL_BRANCH, Names
from hol_wizard.lab.toml import TomlError, key_lines, parse
from hol_wizard.paths import as_text, expanded, problem_with_text, read_file, unwritable, write_private

VERSION: Final = 1
"""Version of the file's format."""

_LONG: Final = frozenset({"devops_users", "reviewers", "approvers"})
"""Keys whose values may be longer than a name."""
_PATHS: Final = ("clone_folder", "own_data_file")
"""Keys whose values can begin with `~`: a home folder whose name is not UTF-8 cannot be in the file."""
DEFAULT_PROFILE: Final = "default"

_RESERVED_PROFILES: Final = {
    *("azure", "files", "git", "git-folders", "job-logs", "job-work", "snapshots"),
    *("con", "prn", "aux", "nul"),
}
"""Folders of the practice cloud, next to those of its profiles; the other names are reserved on Windows."""


def problem_with_profile(name: str) -> str:
    """Return why this cannot be a profile's name, which names a file and a folder on every system; empty if it can."""
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38}[A-Za-z0-9])?", name):
        return (
            f"`{name}` cannot be a profile's name: it must be 1 to 40 letters, digits, `-` or `_`, beginning and "
            "ending with a letter or digit. For example: jane"
        )
    if name.lower() in _RESERVED_PROFILES or re.fullmatch(r"(?:com|lpt)[0-9]", name.lower()):
        return f"`{name}` cannot be a profile's name: the system reserves it. For example: {name}-1"
    return ""


@dataclass(frozen=True, slots=True)
class Choices:
    """A person's choices; a field is empty if nothing is chosen yet."""

    prefix: str = ""
    location: str = ""
    subscription: str = ""
    subscription_name: str = ""
    tenant: str = ""
    """Of the subscription."""
    alias: str = ""
    devops_organization: str = ""
    devops_sign_in: str = ""
    default_branch: str = ""
    """The repository's default branch, as last seen; it is not an input."""
    git_name: str = ""
    git_email: str = ""
    clone_folder: str = ""
    """Where the repository is cloned to on this machine."""
    devops_users: str = ""
    """E-mail addresses of the invited people, separated by commas."""
    devops_access_level: str = ""
    cluster_size: str = ""
    node_type: str = ""
    cluster_user: str = ""
    """The person that the cluster of dev is dedicated to; empty for its creator."""
    own_data_file: str = ""
    commit_message: str = ""
    pull_request_title: str = ""
    pull_request_description: str = ""
    reviewers: str = ""
    """E-mail addresses of who is asked for a review, with commas between them."""
    approvers: str = ""
    """E-mail addresses of who decides about Production, with commas between them; empty for the reader."""
    requester_may_approve: str = ""
    approval_comment: str = ""
    build_identity: str = ""
    token_in_profile: str = ""
    lab_id: str = ""
    """Random ID in the mark of this lab's resources; it distinguishes them from another lab's with the same prefix."""
    updated: str = ""
    """When the file was written, ISO 8601 in UTC."""

    @classmethod
    def load(cls, path: Path) -> Choices:
        """Return the choices in a profile's file; empty choices if there is no file.

        Raises:
            UsageError: The file cannot be read, is not TOML, or is not a profile's file; the message names file and
                line.
        """
        text = _read(path)
        try:
            table = parse(text)
        except TomlError as error:
            raise UsageError(
                f"{path}:{error.line}: this is not TOML: {error.message}.",
                f"Correct line {error.line}, or move the file and choose again. Nothing was changed.",
            ) from error
        known = {each.name for each in fields(cls)}
        if table and not known & table.keys():
            raise UsageError(
                f"{path}:1: this is not a profile of hol-wizard: it has none of the keys prefix, location, "
                "subscription, alias.",
                "Move the file, or use another profile with --profile NAME. Nothing was changed.",
            )
        version = table.pop("version", VERSION)
        if version != VERSION:
            line = key_lines(text).get(("version",), 1)
            raise UsageError(
                f"{path}:{line}: this profile has version {version!r}, and this hol-wizard knows version {VERSION}.",
                "Use the hol-wizard that wrote it, or move the file and choose again. Nothing was changed.",
            )
        for key in known & table.keys():
            if not isinstance(table[key], str):
                line = key_lines(text).get((key,), 1)
                raise UsageError(
                    f"{path}:{line}: {key} must be a string in quotation marks, not {table[key]!r}.",
                    f'Write {key} = "…" in that line. Nothing was changed.',
                )
            if problem := problem_with_text(table[key], is_list=key in _LONG):
                line = key_lines(text).get((key,), 1)
                raise UsageError(
                    f"{path}:{line}: {key} cannot be used: {problem}.",
                    f"Correct {key} in that line, or remove it. Nothing was changed.",
                )
        chosen = {key: table[key] for key in known & table.keys()}
        for key in _PATHS:
            if chosen.get(key, "").startswith("~"):
                chosen[key] = str(expanded(chosen[key]))
        return cls(**chosen)

    def save(self, path: Path) -> Choices:
        """Write the file completely or not at all, readable only by its owner, and return what was written.

        A lab ID is created if there is none. Keys that this version does not know are kept.

        Raises:
            UsageError: The existing file is broken or not ours, and is left unchanged; or the file cannot be written.
        """
        from datetime import UTC, datetime

        import tomli_w

        there = Choices.load(path)
        written = replace(
            self,
            lab_id=self.lab_id or there.lab_id or os.urandom(4).hex(),
            updated=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        values = {each.name: getattr(written, each.name) for each in fields(self)}
        chosen = {key: as_text(value) if key in _PATHS else value for key, value in values.items() if value}
        unknown = {key: value for key, value in parse(_read(path)).items() if key not in values}
        table: dict[str, Any] = {"version": VERSION, **chosen, **unknown}
        write_private(path, tomli_w.dumps(table).encode())
        return written

    def names(self, user: str = "", cloud: str = "azure", profile: str = "") -> Names:
        """Return the names that follow from these choices.

        Args:
            user: Who is signed in, if known.
            cloud: The cloud's name.
            profile: The profile's name, unless it is the default one.
        """
        return Names(
            prefix=self.prefix,
            location=self.location,
            subscription=self.subscription,
            subscription_name=self.subscription_name,
            tenant=self.tenant,
            alias=self.alias,
            user=user,
            devops_organization=self.devops_organization,
            default_branch=self.default_branch or USUAL_BRANCH,
            cloud=cloud,
            chosen_folder=self.clone_folder,
            profile=profile,
        )


def _read(path: Path) -> str:
    try:
        return read_file(path).decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError(
            f"{path}:{line}: this is not UTF-8 text.",
            "Save the file as UTF-8, or move it and choose again. Nothing was changed.",
        ) from error
    except NotADirectoryError as error:
        raise unwritable(path, error) from error
    except OSError as error:
        if path.is_dir() or error.errno == errno.EINVAL:
            raise UsageError(
                f"{path} is not a file, so your choices cannot be read.",
                "Move it, or use another profile with --profile NAME. Nothing was changed.",
            ) from error
        raise UsageError(
            f"Cannot read {path}: {error.strerror or error}.",
            "Give yourself the right to read it, or use another profile with --profile NAME. Nothing was changed.",
        ) from error
