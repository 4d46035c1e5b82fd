"""A part that owns one collection of the store and is asked for its documents by others."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from hol_wizard.practice.kernel.store import Document

if TYPE_CHECKING:
    from hol_wizard.practice.kernel.world import World


class Register:
    """Documents of one kind, under their own `id`; `World.part` has the only one of each class."""

    collection: ClassVar[str]
    """Its collection in the store."""

    def __init__(self, world: World) -> None:
        self._documents = world.collection(self.collection, self)

    def find(self, identity: str) -> Document | None:
        """Return the document with this id, in any case, or None. Change it only to `keep` it."""
        return self._documents.get(identity)

    def all(self) -> list[Document]:
        """Return the documents, in the order of their making."""
        return self._documents.values()

    def keep(self, document: Document) -> None:
        """Keep a document, new or changed."""
        self._documents.put(self.key(document), document)

    def remove(self, identity: str) -> None:
        """Forget a document; nothing happens if there is none."""
        self._documents.delete(identity)

    def key(self, document: Document) -> str:
        """Return under which key a document is kept."""
        return str(document["id"])
