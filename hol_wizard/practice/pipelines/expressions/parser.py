"""From the text of an expression to its tree: recursive descent over one token of lookahead."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from hol_wizard.practice.pipelines.expressions.errors import ExpressionSyntaxError
from hol_wizard.practice.pipelines.expressions.lexer import Token, TokenKind, tokens
from hol_wizard.practice.pipelines.expressions.nodes import (
    MANY,
    MAX_DEPTH,
    Call,
    Function,
    Index,
    Literal,
    Name,
    Node,
    Wildcard,
)


@dataclass(frozen=True, slots=True)
class Arity:
    """How many arguments a function takes, for a place that only checks expressions."""

    low: int
    high: int


def parse(text: str, names: Collection[str], functions: Mapping[str, Function | Arity]) -> Node | None:
    """Return the tree of an expression; None if the text is empty.

    Args:
        text: Without its brackets.
        names: The contexts that the place has.
        functions: The functions that the place has, by their names in lowercase.

    Raises:
        ExpressionSyntaxError: It is not valid.
    """
    return _Parser(text, {each.lower() for each in names}, functions).whole()


class _Parser:
    def __init__(self, text: str, names: Collection[str], functions: Mapping[str, Function | Arity]) -> None:
        self._text = text
        self._names = names
        self._functions = functions
        self._tokens = tokens(text)
        self._token = next(self._tokens)
        self._unknown: Token | None = None
        """The first name that the place does not have; problems of the syntax come first."""

    def whole(self) -> Node | None:
        if self._ended():
            return None
        node = self._value(1)
        if not self._ended():
            raise self._unexpected(self._token)
        if self._unknown is not None:
            problem = f"Unrecognized value: '{self._unknown.text}'"
            raise ExpressionSyntaxError(problem, self._text, self._unknown.offset)
        return node

    def _value(self, depth: int) -> Node:
        self._bound(depth)
        token = self._take()
        if token.kind is TokenKind.LITERAL:
            return Literal(token.value)
        if token.kind is not TokenKind.NAME:
            raise self._unexpected(token)
        node = self._call(token, depth) if self._at("(") or self._is_function(token) else self._name(token)
        while self._token.kind is TokenKind.DOT or self._at("["):
            node = self._index(node, depth)
        return node

    def _bound(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise ExpressionSyntaxError(f"Exceeded max expression depth {MAX_DEPTH}", self._text, self._token.offset)

    def _is_function(self, token: Token) -> bool:
        return token.text.lower() in self._functions and token.text.lower() not in self._names

    def _name(self, token: Token) -> Node:
        if token.text.lower() not in self._names:
            self._unknown = self._unknown or token
        return Name(token.text)

    def _call(self, token: Token, depth: int) -> Node:
        function = self._functions.get(token.text.lower())
        if function is None:
            self._unknown = self._unknown or token
            function = Arity(0, MANY)
        if not self._at("("):
            raise ExpressionSyntaxError(f"Expected '(' to follow a function: '{token.text}'", self._text, token.offset)
        self._take()
        arguments: list[Node] = []
        while not self._at(")"):
            if self._ended():
                raise ExpressionSyntaxError(f"Unclosed function: '{token.text}'", self._text, token.offset)
            if arguments:
                if self._at(",") and len(arguments) >= function.high:
                    raise self._unexpected(self._token)
                self._expect(",")
                if self._ended():
                    continue
            arguments.append(self._value(depth + 1))
        if not function.low <= len(arguments) <= function.high:
            raise self._unexpected(self._token)
        self._take()
        return Call(token.text, tuple(arguments))

    def _index(self, of: Node, depth: int) -> Node:
        sign = self._take()
        if sign.kind is TokenKind.DOT:
            key = self._take()
            if key.kind is TokenKind.END:
                problem = "Expected a property name to follow the dereference operator '.': '.'"
                raise ExpressionSyntaxError(problem, self._text, sign.offset)
            if key.kind is TokenKind.PUNCTUATION and key.text == "*":
                return Index(of, Wildcard())
            if key.kind is not TokenKind.NAME:
                raise self._unexpected(key)
            return Index(of, Literal(key.text))
        if self._at("*"):
            self._take()
            inner: Node = Wildcard()
        else:
            inner = self._value(depth + 1)
        self._expect("]")
        return Index(of, inner)

    def _ended(self) -> bool:
        return self._token.kind is TokenKind.END

    def _at(self, sign: str) -> bool:
        return self._token.kind is TokenKind.PUNCTUATION and self._token.text == sign

    def _expect(self, sign: str) -> None:
        token = self._take()
        if token.kind is not TokenKind.PUNCTUATION or token.text != sign:
            raise self._unexpected(token)

    def _take(self) -> Token:
        token = self._token
        if token.kind is not TokenKind.END:
            self._token = next(self._tokens)
        return token

    def _unexpected(self, token: Token) -> ExpressionSyntaxError:
        if token.kind is TokenKind.END:
            return ExpressionSyntaxError("Unexpected end of expression", self._text, token.offset)
        return ExpressionSyntaxError(f"Unexpected symbol: '{token.text}'", self._text, token.offset)
