"""Reads XML from other programs and from clients: no entities, no network, limited size and depth."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

LARGEST: Final = 32 * 1024 * 1024
"""Maximum size in bytes. The real files of large projects have one or two million."""
DEEPEST: Final = 64
"""Maximum nesting of elements: JUnit has about five levels, Cobertura eight."""


class UnreadableError(Exception):
    """A file is invalid; the message is the end of a sentence: `is not XML (line 3, …)`."""


def read_xml(path: Path) -> Element:
    """Return the root element of a file.

    Raises:
        FileNotFoundError: There is no such file.
        UnreadableError: It cannot be read, is not XML, declares entities, or is larger or more deeply nested than any
            real one.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableError(f"cannot be read ({(error.strerror or str(error)).lower()})") from error
    return parse_xml(content)


def parse_xml(content: bytes) -> Element:
    """Return the root element of an XML document; namespace prefixes are removed from the names of elements.

    A document type that names a DTD is accepted, and the DTD is never fetched: Cobertura files have one.

    Raises:
        UnreadableError: As for `read_xml`.
    """
    if len(content) > LARGEST:
        raise UnreadableError(f"is larger than {LARGEST // (1024 * 1024)} MB")
    if not content.strip():
        raise UnreadableError("is empty")
    builder, depth = TreeBuilder(), 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise UnreadableError(f"has elements nested more than {DEEPEST} deep")
        builder.start(tag.rpartition(":")[2], attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag.rpartition(":")[2])

    def entity(*_: object) -> None:
        raise UnreadableError("declares XML entities, which can be used for an attack")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = entity
    try:
        parser.Parse(content, True)
        return builder.close()
    except expat.ExpatError as error:
        place = f"line {error.lineno}, column {error.offset + 1}"
        raise UnreadableError(f"is not valid XML ({place}: {expat.ErrorString(error.code)})") from error
    except (ValueError, LookupError, AssertionError) as error:
        # An encoding that Python does not know, or that expat cannot use.
        raise UnreadableError(f"is not valid XML ({error})") from error
