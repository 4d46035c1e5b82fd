"""The tokens of an expression.

Source: the engine's `LexicalAnalyzer`, whose code actions/runner continues. There are no operators, no double quotes,
and no parentheses except those of functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from hol_wizard.practice.pipelines.expressions.errors import ExpressionSyntaxError
from hol_wizard.practice.pipelines.expressions.values import Value, number_of, version_of

MAX_LENGTH = 21_000
"""Characters of an expression: https://learn.microsoft.com/azure/devops/pipelines/process/expressions."""
_PUNCTUATION = "[](),*"
_WORD = re.compile(r"[^\s\[\](),'.]+")
_NUMBER = re.compile(r"[^\s\[\](),']+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII)
_OPERATOR = re.compile(r"[=<>&|]|!=")
_STRING = re.compile(r"'((?:[^']|'')*)'")


class TokenKind(Enum):
    """What a token is."""

    PUNCTUATION = auto()
    DOT = auto()
    LITERAL = auto()
    NAME = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One token, with its place."""

    kind: TokenKind
    text: str
    offset: int
    value: Value = None
    """Of a literal."""


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of an expression, the end as the last one.

    Raises:
        ExpressionSyntaxError: Something is not a token.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionSyntaxError(f"Exceeded max expression length {MAX_LENGTH}", text, 0)
    offset = 0
    last: Token | None = None
    while offset < len(text):
        if text[offset].isspace():
            offset += 1
            continue
        last, offset = _token(text, offset, last)
        yield last
    yield Token(TokenKind.END, "", len(text))


def _token(text: str, offset: int, last: Token | None) -> tuple[Token, int]:
    first = text[offset]
    after_dot = last is not None and last.kind is TokenKind.DOT
    if first in _PUNCTUATION:
        return Token(TokenKind.PUNCTUATION, first, offset), offset + 1
    if first == "'":
        found = _STRING.match(text, offset)
        if found is None:
            raise ExpressionSyntaxError(f"Unexpected symbol: '{text[offset:]}'", text, offset)
        return Token(TokenKind.LITERAL, found[0], offset, found[1].replace("''", "'")), found.end()
    if first == "." and not _begins_value(last):
        return Token(TokenKind.DOT, first, offset), offset + 1
    if first in "-." or (first.isdigit() and not after_dot):
        return _number(text, offset)
    found = _WORD.match(text, offset)
    word = found[0] if found else first
    # Anything else is a name that no place has, unless it follows a period.
    if not _NAME.match(word) and (after_dot or _OPERATOR.match(word)):
        raise ExpressionSyntaxError(f"Unexpected symbol: '{word}'", text, offset)
    end = offset + len(word)
    if not after_dot and word.lower() in ("true", "false"):
        return Token(TokenKind.LITERAL, word, offset, word.lower() == "true"), end
    return Token(TokenKind.NAME, word, offset), end


def _begins_value(last: Token | None) -> bool:
    """Return whether a period begins a number, as in `.5`, instead of a property."""
    return last is None or (last.kind is TokenKind.PUNCTUATION and last.text in "[(,")


def _number(text: str, offset: int) -> tuple[Token, int]:
    found = _NUMBER.match(text, offset)
    word = found[0] if found else text[offset]
    value: Value = version_of(word) if word.count(".") >= 2 else number_of(word)
    if value is None:
        raise ExpressionSyntaxError(f"Unrecognized value: '{word}'", text, offset)
    return Token(TokenKind.LITERAL, word, offset, value), offset + len(word)
