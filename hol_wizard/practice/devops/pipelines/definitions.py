"""Pipelines: build definitions with their revisions, for the API and for builds (Build - Definitions, 7.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hol_wizard.practice.devops import errors
from hol_wizard.practice.devops.numbered import NumberedRegister
from hol_wizard.practice.devops.pipelines.scope import BUILD, Place
from hol_wizard.practice.kernel.service import Refused, text
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

YAML: Final = 2
"""`process.type` of a definition with a YAML file; 1 is the designer's."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that is defined in the pipeline's settings."""

    value: str
    secret: bool
    settable: bool
    """Whether it can be set when a run is queued (`allowOverride`)."""


class Definitions(NumberedRegister):
    """The definitions of every organization; IDs are unique in an organization, and never used twice."""

    collection = "devops_definitions"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world
        self._on_delete: list[Callable[[Document], None]] = []

    def key(self, document: Document) -> str:
        """Return the key of a definition."""
        return f"{document['organization']}/{document['id']}"

    def of(self, place: Place, *, deleted: bool = False) -> list[Document]:
        """Return the definitions of a project in the order of creation."""
        return [each for each in self.of_project(place.id) if each["deleted"] == deleted]

    def of_project(self, project: str) -> list[Document]:
        """Return the definitions of a project by its ID, also deleted ones."""
        return [each for each in self.all() if each["project"] == project]

    def numbered(self, place: Place, number: int) -> Document | None:
        """Return a definition of a project by its ID, also a deleted one, or None."""
        found = self.find(f"{place.organization.name}/{number}")
        return found if found is not None and found["project"] == place.id else None

    def get(self, place: Place, number: int) -> Document:
        """Return a definition of a project by its ID.

        Raises:
            Refused: There is none.
        """
        found = self.numbered(place, number)
        if found is None or found["deleted"]:
            raise not_found(number)
        return found

    def named(self, place: Place, name: str) -> Document | None:
        """Return a definition of a project by its name, or by its name with its folder (`\\\\folder\\\\name`)."""
        wanted = name.replace("/", "\\").lower()
        for each in self.of(place):
            whole = f"{each['path'].rstrip(chr(92))}\\{each['name']}".lower()
            if wanted.lstrip("\\") in {each["name"].lower(), whole.lstrip("\\")}:
                return each
        return None

    def create(self, place: Place, by: str, body: Mapping[str, Any]) -> Document:
        """Save a new definition, and return it.

        Args:
            place: Its project.
            by: Object ID of its author.
            body: Its members (`definition_body.checked`).

        Raises:
            Refused: There is one with this name.
        """
        self._check_name(place, body, 0)
        definition: Document = {
            "id": self.next_number(place.organization.name),
            "organization": place.organization.name,
            "project": place.id,
            "created": self._world.clock.now(),
            "deleted": False,
            "properties": {},
            "revisions": [],
        }
        return self._revise(definition, by, body, "add", "")

    def change(self, place: Place, definition: Document, by: str, body: Mapping[str, Any], comment: str) -> Document:
        """Save a definition with new members as its next revision, and return it.

        Raises:
            Refused: There is another one with this name.
        """
        self._check_name(place, body, int(definition["id"]))
        return self._revise(definition, by, body, "update", comment)

    def _check_name(self, place: Place, body: Mapping[str, Any], number: int) -> None:
        """Make sure that a name is free in its folder (public text: AzurePipelinesPS issue 20; the status is an
        estimate)."""
        for each in self.of(place):
            same = (each["name"].lower(), each["path"].lower()) == (body["name"].lower(), body["path"].lower())
            if same and each["id"] != number:
                message = f"Build pipeline {body['name']} already exists for project {place.project['name']}"
                raise errors.refused(409, message, "DefinitionExistsException", BUILD)

    def _revise(self, definition: Document, by: str, body: Mapping[str, Any], how: str, comment: str) -> Document:
        now = self._world.clock.now()
        revision = {
            "revision": len(definition["revisions"]) + 1,
            "by": by,
            "at": now,
            "type": how,
            "comment": comment,
            "body": dict(body),
        }
        revised = {
            **definition,
            "name": body["name"],
            "path": body["path"],
            "revisions": [*definition["revisions"], revision],
        }
        self.keep(revised)
        return revised

    def on_delete(self, tell: Callable[[Document], None]) -> None:
        """Register a function to call with each definition before it is deleted; an error prevents that."""
        self._on_delete.append(tell)

    def delete(self, definition: Document) -> None:
        """Delete a definition, which can be restored.

        Raises:
            Refused: Something prevents it.
        """
        for tell in self._on_delete:
            tell(definition)
        self.keep({**definition, "deleted": True})

    def restore(self, definition: Document) -> Document:
        """Restore a deleted definition, and return it."""
        restored = {**definition, "deleted": False}
        self.keep(restored)
        return restored


def not_found(number: object) -> Refused:
    """Return the error for a definition that does not exist (public: azure-devops-java-sdk issue 7; also for a stale
    revision, vsts-rest-api-specs issue 356)."""
    return errors.refused(404, f"Build pipeline {number} was not found.", "DefinitionNotFoundException", BUILD)


def newest(definition: Document) -> Document:
    """Return the newest revision of a definition."""
    found: Document = definition["revisions"][-1]
    return found


def body_of(definition: Document) -> Document:
    """Return the members of a definition in its newest revision."""
    found: Document = newest(definition)["body"]
    return found


def yaml_file(definition: Document) -> str:
    """Return the path of a definition's YAML file in the repository; empty for a designer's."""
    process = body_of(definition)["process"]
    return str(process.get("yamlFilename", "")).lstrip("/") if process["type"] == YAML else ""


def variables(definition: Document, revision: int = 0) -> dict[str, Variable]:
    """Return the variables in the settings of a definition's revision; 0 is the newest."""
    body = definition["revisions"][revision - 1]["body"]
    return {
        name: Variable(text(each, "value"), bool(each.get("isSecret")), bool(each.get("allowOverride")))
        for name, each in body["variables"].items()
    }
