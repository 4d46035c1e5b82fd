"""The contents of a service's response, with access that reports a response in an unexpected form.

Otherwise, a key that is missing or null in an unexpected response would cause a KeyError or an AttributeError far from
its source, and would look like a bug in the wizard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from hol_wizard.errors import InconclusiveError
from hol_wizard.services.error_rules import AGAIN

OBJECTS = frozenset({"properties", "attributes", "sku", "identity", "primaryEndpoints"})
"""Members that are objects in every document of these services that contains them."""


def unexpected(source: str, what: str = "") -> InconclusiveError:
    """Return the error for a response in an unexpected form.

    Args:
        source: Service and operation: `Microsoft Graph (GET my-app)`.
        what: What is wrong with it.
    """
    service, _, operation = source.partition(" (")
    return InconclusiveError(
        f"{service} answered in an unexpected form{f' ({operation}' if operation else ''}.",
        AGAIN,
        detail=f"{source}: {what}" if what else source,
    )


class Document(dict[str, Any]):
    """A JSON object of a response: a missing key, or a value of an unexpected type, is an `InconclusiveError`.

    A member that is null counts as missing: services use both.
    """

    __slots__ = ("source",)

    def __init__(self, members: Mapping[str, Any], source: str) -> None:
        """Copy the members, including those of nested objects.

        Args:
            members: The parsed object.
            source: Service and operation, for errors.
        """
        super().__init__({name: _wrapped(value, source, name) for name, value in members.items()})
        self.source = source

    def __missing__(self, key: str) -> Any:
        """Raise for a key that the response should have."""
        raise unexpected(self.source, f"{key} is missing")

    def __getitem__(self, key: str) -> Any:
        """Return a member that the response must have.

        Raises:
            InconclusiveError: It is missing or null.
        """
        value = super().__getitem__(key)
        if value is None:
            raise unexpected(self.source, f"{key} is null")
        return self._judged(key, value)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a member, or the default if it is missing or null.

        Raises:
            InconclusiveError: The default is an object or a list, and the member is something else.
        """
        value = super().get(key)
        if value is None:
            return default
        if isinstance(default, Mapping) and not isinstance(value, Mapping):
            raise unexpected(self.source, f"{key} is not an object")
        if isinstance(default, list | tuple) and not isinstance(value, list):
            raise unexpected(self.source, f"{key} is not a list")
        return self._judged(key, value)

    def _judged(self, key: str, value: Any) -> Any:
        if key in OBJECTS and not isinstance(value, Mapping):
            raise unexpected(self.source, f"{key} is not an object")
        return value

    def text(self, key: str) -> str:
        """Return a string; an empty one if it is missing or null.

        Raises:
            InconclusiveError: It is something else.
        """
        value = self.get(key, "")
        if not isinstance(value, str):
            raise unexpected(self.source, f"{key} is not a string")
        return value

    def number(self, key: str) -> int:
        """Return an integer, which may be a string; 0 if it is missing or null.

        Raises:
            InconclusiveError: It is something else.
        """
        try:
            return int(self.get(key, 0))
        except (TypeError, ValueError, OverflowError) as error:
            raise unexpected(self.source, f"{key} is not a number") from error

    def required_number(self, key: str) -> int:
        """Return an integer that the response must have; it may be a string.

        Raises:
            InconclusiveError: It is missing, or something else.
        """
        return self.number(key) if self[key] is not None else 0

    def object(self, key: str) -> Document:
        """Return an object that the response must have.

        Raises:
            InconclusiveError: It is missing, or something else.
        """
        value = self[key]
        if not isinstance(value, Document):
            raise unexpected(self.source, f"{key} is not an object")
        return value

    def inner(self, key: str) -> Document:
        """Return an object; an empty one if it is missing or null.

        Raises:
            InconclusiveError: It is something else.
        """
        return self.object(key) if self.get(key) is not None else Document({}, self.source)

    def some(self, key: str) -> Sequence[Document]:
        """Return the objects of a list; none if it is missing or null.

        Raises:
            InconclusiveError: It is not a list, or contains something else.
        """
        return self.objects(key) if self.get(key) is not None else ()

    def objects(self, key: str) -> Sequence[Document]:
        """Return the objects of a list that the response must have.

        Raises:
            InconclusiveError: It is missing, is not a list, or contains something else.
        """
        value = self[key]
        if not isinstance(value, _Items) or not all(isinstance(each, Document) for each in value):
            raise unexpected(self.source, f"{key} is not a list of objects")
        return value


class _Items(list[Any]):
    """A list of a response; if it is used as an object, that is an `InconclusiveError`."""

    __slots__ = ("name", "source")

    def __init__(self, items: Iterator[Any], source: str, name: str) -> None:
        super().__init__(items)
        self.source, self.name = source, name

    def get(self, key: str, default: Any = None) -> Any:
        """Raise: an object was expected."""
        del key, default
        raise unexpected(self.source, f"{self.name} is a list, not an object")

    def items(self) -> Any:
        """Raise: an object was expected."""
        return self.get("")

    def __getitem__(self, index: Any) -> Any:
        """Return an item.

        Raises:
            InconclusiveError: An object was expected.
        """
        return self.get(index) if isinstance(index, str) else super().__getitem__(index)


def of_arm(found: Mapping[str, Any]) -> Document:
    """Return a document of Azure Resource Manager with access that reports an unexpected form."""
    return found if isinstance(found, Document) else Document(found, "Azure Resource Manager")


class Pages:
    """The pages of a list that were already read: a list that leads back to one of them never ends."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def following(self, page: str, source: str) -> str:
        """Return the link or token of the next page.

        Args:
            page: Its address or its token; empty if there is none.
            source: Service and operation, for errors.

        Raises:
            InconclusiveError: The page was already read.
        """
        if page in self._seen:
            raise unexpected(source, f"the list leads back to a page that was already read: {page[:200]}")
        if page:
            self._seen.add(page)
        return page


class Answer(Protocol):
    """A response that knows where it is from."""

    @property
    def source(self) -> str:
        """Service and operation, for errors."""
        ...


Page = TypeVar("Page", bound=Answer)


def pages(read: Callable[[str], Page], following: Callable[[Page], str], first: str = "") -> Iterator[Page]:
    """Yield the pages of a list; each is read when it is asked for.

    Args:
        read: Reads the page with this link or token.
        following: Returns the link or token of the page after this one; empty if it is the last one.
        first: The link or token of the first page.

    Raises:
        InconclusiveError: The list leads back to a page that was already read.
    """
    known = Pages()
    mark = known.following(first, "")
    while True:
        page = read(mark)
        yield page
        mark = known.following(following(page), page.source)
        if not mark:
            return


def rows(read: Callable[[int], Document], size: int, key: str) -> Iterator[Document]:
    """Yield the objects of a list that is read in blocks: `value` of each response.

    Args:
        read: Reads the block that follows this many objects.
        size: Objects in a block; a shorter one is the last one.
        key: The member that identifies an object.

    Raises:
        InconclusiveError: A block was already read: the service does not skip.
    """
    known, count = Pages(), 0
    while True:
        page = read(count)
        found = page.objects("value")
        if found:
            known.following(str(found[0][key]), page.source)
        yield from found
        if len(found) < size:
            return
        count += len(found)


def moment(text: str) -> datetime | None:
    """Parse a time, in UTC if it names no other zone; None if it is none.

    Services write up to seven decimal places, of which Python keeps six: two events of one second have an order.
    """
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _wrapped(value: Any, source: str, name: str) -> Any:
    if isinstance(value, Mapping):
        return Document(value, source)
    if isinstance(value, list):
        return _Items((_wrapped(each, source, name) for each in value), source, name)
    return value
