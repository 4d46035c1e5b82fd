"""A part that owns one collection of the store and provides its documents to others."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from hol_wizard.practice.kernel.store import Document

if TYPE_CHECKING:
    from hol_wizard.practice.kernel.world import World


class Register:
    """Documents of one kind, by their `id`; `World.part` has the only instance of each class."""

    collection: ClassVar[str]
    """Its collection in the store."""

    def __init__(self, world: World) -> None:
        self._documents = world.collection(self.collection, self)

    def find(self, identity: str) -> Document | None:
        """Return the document with this ID, case-insensitively, or None. If you change it, `keep` it."""
        return self._documents.get(identity)

    def all(self) -> list[Document]:
        """Return the documents in the order of creation."""
        return self._documents.values()

    def keep(self, document: Document) -> None:
        """Save a new or changed document."""
        self._documents.put(self.key(document), document)

    def remove(self, identity: str) -> None:
        """Delete a document; does nothing if there is none."""
        self._documents.delete(identity)

    def key(self, document: Document) -> str:
        """Return the key of a document."""
        return str(document["id"])
