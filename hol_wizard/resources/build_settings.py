"""The settings of the local build: `settings.env` in the reader's clone, which git ignores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from hol_wizard.engine.ownership import Resource, owns
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation
from hol_wizard.errors import ConflictError, NotFoundError
from hol_wizard.lab.model import Environment
from hol_wizard.lab.names import FIXED
from hol_wizard.person_files import ChangedError, Rewriting, UnfitError
from hol_wizard.resources.context import StepContext
from hol_wizard.services.endpoints import Endpoints

FILE: Final = "Project_One/settings.env"
EXAMPLE: Final = "Project_One/settings.example.env"


def read_values(text: str) -> dict[str, str]:
    """Return the values in a settings file, as the starter's `build.py` reads them; lines without `=` are left out."""
    values = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            value = value.strip()
            if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
                value = value[1:-1]
            values[name.strip()] = value
    return values


def image_name(context: StepContext) -> str:
    """Return the name of the local build's image: with the tag in the settings file, else `local`."""
    try:
        text = Path(context.names.clone_folder, FILE).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        text = ""
    return f"{FIXED['image']}:{read_values(text).get('IMAGE_TAG') or 'local'}"


@dataclass(frozen=True)
class BuildSettings(Resource[str]):
    """The content of the file; the comment on its first line names the lab."""

    context: StepContext
    folder: str
    """The reader's clone."""
    kind = "Build settings"
    name = "settings.env"
    mark = "comment on its first line"
    usually = 1.0

    @property
    def id(self) -> str:
        """Return its ID in the ledger."""
        return f"this-machine/{self._path}"

    @property
    def _path(self) -> Path:
        return Path(self.folder, FILE)

    @property
    def where(self) -> str:
        """Return the file."""
        return str(self._path)

    @property
    def wanted(self) -> Mapping[str, str]:
        """The settings that are required."""
        names = self.context.names
        dev = names.of(Environment.DEV)
        return {
            "SUBSCRIPTION_ID": names.subscription,
            "RESOURCE_GROUP": dev.resource_group,
            "WORKSPACE_NAME": dev.ml_workspace,
            "STATE": str(Environment.DEV),
            "AUTHOR": names.alias,
            "MODEL_NAME": FIXED["model"],
            "IMAGE_NAME": FIXED["image"],
            **other_cloud(self.context.services.endpoints),
        }

    @property
    def _comment(self) -> str:
        return f"# Written by {self.context.mark}.\n"

    @property
    def _text(self) -> str:
        """The content that the wizard writes."""
        example = (files("hol_wizard") / "starter" / EXAMPLE).read_text(encoding="utf-8")
        return self._comment + with_values(example, self.wanted)

    # Reading

    def find(self, reads: ReadCache) -> str | None:
        """Return the file's text.

        Raises:
            NotFoundError: The clone has no such folder.
            ConflictError: It cannot be read.
        """
        del reads
        if not self._path.parent.is_dir():
            raise NotFoundError(
                f"There is no folder {self._path.parent.name} in your clone {self.folder}.",
                "<first scientist-setup/create-your-branch>.",
            )
        try:
            return self._path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise ConflictError(
                f"{self._path} cannot be read: {error}.", "Look at the file's rights, and save it as UTF-8."
            ) from error

    def marked(self, found: str, noted: str | None) -> bool:
        """Return whether its first line names this lab."""
        del noted
        return found.startswith(self._comment)

    def expectations(self, found: str) -> Sequence[Expectation]:
        """Return each setting with its value."""
        values = read_values(found)
        return [
            Expectation(name, value, values.get(name) or "not set", values.get(name) == value)
            for name, value in self.wanted.items()
        ]

    # Writing

    def create(self, begun: Callable[[str], None]) -> str:
        """Write the example file with the reader's values."""
        del begun
        self._rewrite(None, self._text)
        return ""

    def changeable(self, found: str, *, ours: bool) -> bool:
        """Return whether the file is the wizard's, or only empty settings would be filled in."""
        values = read_values(found)
        return ours or not any(values.get(each.what) for each in self.expectations(found) if not each.met)

    def change(self, found: str) -> None:
        """Correct the lines that are wrong; the others stay."""
        wrong = {each.what: each.expected for each in self.expectations(found) if not each.met}
        self._rewrite(found, with_values(found, wrong))

    def remedy(self, found: str) -> str:
        """Return what to do about values that the user has entered."""
        if self.changeable(found, ours=owns(self, found)):
            return "Enter the values by hand as described, or <solve>."
        return f"Correct these lines in {self._path}, or delete the file and <solve>."

    def stays(self, found: str) -> str:
        """Return whether the user has changed it."""
        return "" if found == self._text else "you have changed it"

    def delete(self, found: str) -> None:
        """Remove the file."""
        self._rewrite(found, None)

    def _rewrite(self, before: str | None, after: str | None) -> None:
        try:
            with Rewriting(self._path) as file:
                there = None if file.before is None else file.before.decode("utf-8-sig").replace("\r\n", "\n")
                if there != before:
                    raise ConflictError(f"{self._path} has just changed.", "Save what you are editing, and try again.")
                if after is None:
                    file.remove()
                else:
                    ends = "\r\n" if file.before is not None and b"\r\n" in file.before else "\n"
                    file.write(after.replace("\n", ends).encode())
        except (OSError, UnfitError, ChangedError, UnicodeDecodeError) as error:
            raise ConflictError(
                f"{self._path} cannot be written: {error}.", "Look at the file's rights, then try again."
            ) from error


def other_cloud(endpoints: Endpoints) -> dict[str, str]:
    """Return the settings for clouds other than Azure's public one.

    A cloud on this machine uses the public cloud's names, in a shell that is prepared for it.
    """
    address = endpoints.known_as(endpoints.resource_manager)
    if address == Endpoints.of_cloud("azure").resource_manager:
        return {}
    return {"ARM_URL": address, "ARM_AUDIENCE": endpoints.management_audience.rstrip("/")}


def with_values(text: str, values: Mapping[str, str]) -> str:
    """Return the text of a settings file with these values: in the existing lines, else at the end."""
    left = dict(values)
    lines = []
    for line in text.splitlines():
        name = line.partition("=")[0].strip() if "=" in line else ""
        lines.append(f"{name}={values[name]}" if name in values else line)
        left.pop(name, None)
    return "".join(f"{line}\n" for line in (*lines, *(f"{name}={value}" for name, value in left.items())))
