"""The file in which the Databricks CLI, and every Databricks SDK, keeps its profiles: `.databrickscfg`.

It is an INI file (databricks/cli, `libs/databrickscfg`; databricks-sdk, `config.py`): one section for each profile,
`key = value`, comments with `;` or `#`. It belongs to the person: everything that is not the wizard's stays exactly as
it is.
"""

from __future__ import annotations

import configparser
import os
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from configupdater import Comment, ConfigUpdater, Option, Section, Space

from hol_wizard.errors import ConflictError
from hol_wizard.paths import expanded, home_folder, unwritable
from hol_wizard.person_files import ChangedError, Rewriting, UnfitError
from hol_wizard.services.secrets import Secret

VARIABLE: Final = "DATABRICKS_CONFIG_FILE"
"""Environment variable that names another file for the CLI and the SDKs."""
FILE: Final = ".databrickscfg"
"""In the home folder."""

_MARK: Final = "# hol-wizard: "
_BOM: Final = "\ufeff"
_WRITING = threading.Lock()
"""Environments are processed in parallel, and their profiles are in one file."""
_TRIES: Final = 50
"""How many times a change is repeated if another program has written the file in the meantime."""
_PAUSE: Final = 0.02
"""Maximum number of seconds before that; two wizards wait for different times."""


def default_file(environ: Mapping[str, str] | None = None) -> Path:
    """Return the file that the Databricks CLI reads.

    Args:
        environ: Environment variables; None: the process's own.
    """
    named = (os.environ if environ is None else environ).get(VARIABLE, "")
    return expanded(named) if named else home_folder() / FILE


def same_host(one: str, other: str) -> bool:
    """Whether two addresses belong to the same workspace: the scheme may be missing, and the path is ignored."""

    def host(text: str) -> str:
        text = text.strip()
        return urlsplit(text if "://" in text else f"https://{text}").netloc.lower()

    return host(one) == host(other) != ""


@dataclass(frozen=True, slots=True)
class CliProfile:
    """One profile."""

    host: str = ""
    auth_type: str = ""
    tenant: str = ""
    token: Secret | None = None
    others: tuple[str, ...] = ()
    """Names of further keys: a client ID, a cluster, …"""
    mark: str = ""
    """The contents of the mark line: who wrote it, and for what."""


class DatabricksProfiles:
    """The profiles in one file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def id_of(self, name: str) -> str:
        """Return a profile's name in the ledger."""
        return f"{self.path}/{name}"

    def find(self, name: str) -> CliProfile | None:
        """Return the profile with this name, or None.

        Raises:
            ConflictError: The file is broken, or cannot be read.
        """
        found = self._parse(self._text(self._open()))
        if not found.has_section(name):
            return None
        # The CLI removes a comment at the end of a line, the Python SDK does not.
        try:
            options = found[name].to_dict()
        except TypeError as error:
            # The parser joins the lines of a value, and there is none to join them to.
            raise ConflictError(
                f"{self.path} is invalid: in the profile [{name}], indented lines follow a key without a value.",
                "Correct it in an editor or move it, then try again.",
            ) from error
        values = {key: re.split(r"\s[;#]", value or "")[0].strip() for key, value in options.items()}
        token = values.get("token", "")
        known = {"host", "auth_type", "azure_tenant_id", "token"}
        return CliProfile(
            values.get("host", ""),
            values.get("auth_type", ""),
            values.get("azure_tenant_id", ""),
            Secret.hidden(token) if token else None,
            tuple(key for key in values if key not in known),
            next((mark for block in found[name].iter_blocks() if (mark := _mark(block))), ""),
        )

    def write(self, name: str, profile: CliProfile) -> None:
        """Write a profile: existing keys are changed in place, new ones are added after them, and nothing else moves.

        Keys that the profile does not have are removed; further keys of the section are kept. The mark line is a
        comment before the first key: the CLI removes it together with that key when it writes a profile of the same
        name (databricks/cli, `SaveToProfile`).

        Raises:
            ConflictError: The file is broken: nothing is written.
            UsageError: It cannot be written.
        """
        values = {
            "host": profile.host,
            "token": profile.token.reveal() if profile.token else "",
            "auth_type": profile.auth_type,
            "azure_tenant_id": profile.tenant,
        }

        def change(config: ConfigUpdater, newline: str) -> None:
            if not config.has_section(name):
                if config.sections() and str(config).rstrip(" \t").rstrip("\r\n") + newline == str(config):
                    config.last_block.add_after.space(1)  # type: ignore[union-attr] # there is a section
                config.add_section(name)
            section = config[name]
            _remove_mark(section)
            for key, value in values.items():
                if not value:
                    if key in section:
                        del section[key]
                elif key in section:
                    section[key].value = value
                else:
                    _add(section, key, value)
            if profile.mark:
                next(section.iter_options()).add_before.comment(f"{_MARK}{profile.mark}")

        self._change(name, change, private=profile.token is not None)

    def remove(self, name: str) -> None:
        """Remove a profile; does nothing if there is none.

        Raises:
            ConflictError: The file is broken: nothing is written.
            UsageError: It cannot be written.
        """

        def change(config: ConfigUpdater, newline: str) -> None:
            last = config.sections()[-1:] == [name]
            config.remove_section(name)
            before = config.sections()[-1:]
            if last and before and str(config).endswith(newline * 2):
                # The empty line between it and the previous one.
                block = config[before[0]].last_block
                if isinstance(block, Space):
                    block.detach()

        self._change(name, change, private=False)

    def _open(self, *, private: bool = False) -> Rewriting:
        """Read the file.

        Raises:
            ConflictError: It is not a file, or cannot be read.
        """
        try:
            return Rewriting(self.path, private=private or not self.path.exists())
        except UnfitError as error:
            raise ConflictError(
                f"{self.path} cannot be read: {error}.", "Correct it or move it, then try again."
            ) from error
        except OSError as error:
            raise ConflictError(
                f"{self.path} cannot be read: {error.strerror or error}.", "Check its owner and permissions."
            ) from error

    def _text(self, file: Rewriting) -> str:
        """Return the contents of the file with its line endings; empty if it does not exist.

        Raises:
            ConflictError: It is not in UTF-8.
        """
        try:
            return (file.before or b"").decode("utf-8")
        except UnicodeDecodeError as error:
            raise ConflictError(
                f"{self.path} is not UTF-8 text, so it is not changed.",
                "Save it as UTF-8 in an editor, then try again.",
                detail=str(error),
            ) from error

    def _parse(self, text: str) -> ConfigUpdater:
        config = ConfigUpdater(allow_no_value=True)
        try:
            config.read_string(text.removeprefix(_BOM))
        except configparser.Error as error:
            line = next((str(each) for each in (getattr(error, "lineno", None),) if each), "?")
            raise ConflictError(
                f"{self.path} is invalid at line {line}, so it is not changed: {_what(error)}.",
                "Correct it in an editor or move it, then try again.",
            ) from error
        return config

    def _change(self, name: str, change: Callable[[ConfigUpdater, str], None], *, private: bool) -> None:
        with _WRITING:
            for _ in range(_TRIES):
                try:
                    with self._open(private=private) as file:
                        before = self._text(file)
                        after = self._changed(before, name, change)
                        if after is None:
                            return
                        if after or self.path.is_symlink():
                            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                            file.write(after.encode())
                        else:
                            file.remove()
                        return
                except ChangedError:
                    time.sleep(random.uniform(0, _PAUSE))  # noqa: S311 it only parts two wizards
                except OSError as error:
                    raise unwritable(self.path, error) from error
        raise ConflictError(
            f"Another program keeps writing {self.path}, so it is not changed.",
            "Try again once that is done.",
        )

    def _changed(self, before: str, name: str, change: Callable[[ConfigUpdater, str], None]) -> str | None:
        """Return the new contents of the file; None to leave it unchanged."""
        newline = "\r\n" if "\r\n" in before else "\n"
        text = before if not before or before.endswith("\n") else before + newline
        config = self._parse(text)
        change(config, newline)
        after = "".join(
            _with_line_ends(str(block), newline) if _is_ours(block, name) else str(block)
            for block in config.iter_blocks()
        )
        if before.startswith(_BOM):
            after = _BOM + after
        return None if after in {before, text} else after


def _mark(block: object) -> str:
    """Return the contents of the mark line in a block of comments; empty if there is none."""
    lines = str(block).splitlines() if isinstance(block, Comment) else []
    return next((line.removeprefix(_MARK).strip() for line in lines if line.startswith(_MARK)), "")


def _remove_mark(section: Section) -> None:
    """Remove mark lines, and keep the comments around them."""
    for block in list(section.iter_blocks()):
        if isinstance(block, Comment) and _mark(block):
            for line in str(block).splitlines():
                if not line.startswith(_MARK):
                    block.add_before.comment(line, comment_prefix=line.strip()[:1] or "#")
            block.detach()


def _add(section: Section, key: str, value: str) -> None:
    """Add an option after the last one, before the empty lines in front of the next section."""
    options = list(section.iter_options())
    if options:
        options[-1].add_after.option(key, value)
    else:
        section.set(key, value)


def _is_ours(block: Section | Option | Space | object, name: str) -> bool:
    return isinstance(block, Space) or (isinstance(block, Section) and block.name == name)


def _with_line_ends(text: str, newline: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", newline)


def _what(error: configparser.Error) -> str:
    """Return what is wrong without quoting the file, which may contain a token."""
    if isinstance(error, configparser.MissingSectionHeaderError):
        return "there is a line before the first [profile], or its brackets are not closed"
    if isinstance(error, configparser.DuplicateSectionError):
        return f"the profile [{error.section}] occurs twice"
    if isinstance(error, configparser.DuplicateOptionError):
        return f"the profile [{error.section}] has the key {error.option} twice"
    return "it is not of the form key = value"
