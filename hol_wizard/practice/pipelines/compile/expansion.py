"""Expressions in a tree: values, conditions, loops and insertions.

Source: https://learn.microsoft.com/azure/devops/pipelines/process/template-expressions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hol_wizard.practice.pipelines.compile.nodes import (
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    kind_of,
    node_of,
    refuse,
)
from hol_wizard.practice.pipelines.compile.texts import (
    Directive,
    Expression,
    directive_of,
    is_directive_text,
    only_directives,
    parts,
    single_directive,
    whole_expression,
)
from hol_wizard.practice.pipelines.expressions import ExpressionError, Value, evaluate, is_truthy, to_text
from hol_wizard.practice.pipelines.expressions.functions import FUNCTIONS
from hol_wizard.practice.pipelines.expressions.parser import parse
from hol_wizard.practice.pipelines.expressions.values import kind
from hol_wizard.practice.pipelines.plan import Position

MAX_SIZE = 10_000_000
"""Characters of the expanded text; the service limits its memory likewise."""
_NODE_SIZE = 20
_ROUND_SIZE = 200


@dataclass(slots=True)
class Scope:
    """What expressions see at a place."""

    parameters: Mapping[str, Value]
    variables: dict[str, Value]
    """Those written so far; changes as more are read."""
    loops: dict[str, Value] = field(default_factory=dict)

    def contexts(self) -> dict[str, Value]:
        """Return the contexts by their names."""
        return {"parameters": self.parameters, "variables": self.variables, **self.loops}

    def inner(self) -> Scope:
        """Return the scope of a stage or a job, whose variables are not seen outside."""
        return replace(self, variables=dict(self.variables))

    def with_loop(self, name: str, value: Value) -> Scope:
        """Return the scope of one round of a loop; it shares the variables."""
        return replace(self, loops={**self.loops, name: value})


Entry = tuple[ScalarNode, Node, Scope]


class Expander:
    """Expands the trees of one pipeline."""

    def __init__(self) -> None:
        self._size = 0

    def expand(self, node: Node, scope: Scope) -> Node:
        """Return a tree with nothing left to expand.

        Raises:
            PipelineError: An expression cannot be evaluated, or gives what does not fit.
        """
        if node.expanded:
            return self._counted(node)
        if isinstance(node, ScalarNode):
            return self.scalar(node, scope)
        if isinstance(node, MappingNode):
            computed = only_directives(node)
            if computed and (found := self._scalar_branch(node, scope)) is not None:
                return found
            if not (computed and _gives_list(node)):
                entries = ((key, self.expand(each, inner)) for key, each, inner in self.entries(node, scope))
                return self.mapping(entries, node.place)
        items = tuple(self.expand(each, inner) for each, inner in self.items(node, scope))
        return SequenceNode(items, node.place, True)

    def mapping(self, entries: Iterator[tuple[ScalarNode, Node]], place: Position) -> MappingNode:
        """Return an expanded mapping, whose keys must be unique."""
        seen: dict[str, tuple[ScalarNode, Node]] = {}
        for key, each in entries:
            if key.text.lower() in seen:
                raise refuse(key.place, f"'{key.text}' is already defined")
            seen[key.text.lower()] = (key, each)
        return MappingNode(tuple(seen.values()), place, True)

    def scalar(self, node: ScalarNode, scope: Scope) -> Node:
        """Return the value of a text; a text that is one expression can be anything."""
        if node.expanded:
            return self._counted(node)
        if (whole := whole_expression(node.text, node.place)) is not None:
            return self._counted(node_of(self.value(whole.text, node.place, scope), node.place))
        texts = []
        for part in parts(node.text, node.place):
            if isinstance(part, str):
                texts.append(part)
                continue
            value = self.value(part.text, node.place, scope)
            text = to_text(value)
            if text is None:
                raise refuse(node.place, f"Unable to convert from {kind(value)} to String: '{part.text}'.")
            texts.append(text)
        return self._counted(ScalarNode("".join(texts), node.place, True))

    def value(self, text: str, place: Position, scope: Scope) -> Value:
        """Return the value of an expression."""
        if is_directive_text(text):
            raise refuse(place, f"Unexpected value '${{{{ {text} }}}}'")
        try:
            return evaluate(text, scope.contexts())
        except ExpressionError as error:
            raise refuse(place, f"{error}") from error

    def items(self, node: Node, scope: Scope) -> Iterator[tuple[Node, Scope]]:
        """Yield the elements of a list, not yet expanded, each with its scope."""
        if isinstance(node, ScalarNode):
            node = self.scalar(node, scope)
        if isinstance(node, ScalarNode) and not node.text.strip():
            return
        if isinstance(node, MappingNode) and only_directives(node):
            single = (MappingNode((entry,), node.place) for entry in node.entries)
            node = SequenceNode(tuple(single), node.place)
        if not isinstance(node, SequenceNode):
            raise refuse(node.place, f"Expected a list, not {kind_of(node)}.")
        if node.expanded:
            for each in node.items:
                yield each, scope
            return
        taken: bool | None = None
        for item in node.items:
            if (found := single_directive(item)) is None:
                # The chain goes on after it, but not after another directive (recorded: C-E03-128, C-E03-138).
                yield from self._element(item, scope)
                continue
            directive, body = found
            if directive.name in ("if", "elseif", "else"):
                run, taken = self._branch(directive, taken, item.place, scope)
                if run:
                    yield from self._body_items(body, scope)
                continue
            taken = None
            for inner in self._rounds(directive, item.place, scope):
                yield from self._body_items(body, inner)

    def _element(self, item: Node, scope: Scope) -> Iterator[tuple[Node, Scope]]:
        if isinstance(item, ScalarNode) and not item.expanded and whole_expression(item.text, item.place):
            found = self.scalar(item, scope)
            if isinstance(found, SequenceNode):
                for each in found.items:
                    yield each, scope
                return
            item = found
        yield item, scope

    def _body_items(self, body: Node, scope: Scope) -> Iterator[tuple[Node, Scope]]:
        if isinstance(body, MappingNode) and not only_directives(body):
            yield body, scope
        elif isinstance(body, ScalarNode):
            if body.text.strip():
                yield from self._element(body, scope)
        else:
            yield from self.items(body, scope)

    def entries(self, node: Node, scope: Scope) -> Iterator[Entry]:
        """Yield the entries of a mapping, not yet expanded, each with its scope. Directives run one after the other."""
        if isinstance(node, ScalarNode):
            node = self.scalar(node, scope)
        if isinstance(node, ScalarNode) and not node.text.strip():
            return
        if not isinstance(node, MappingNode):
            raise refuse(node.place, f"Expected a mapping, not {kind_of(node)}.")
        if node.expanded:
            for key, each in node.entries:
                yield key, each, scope
            return
        taken: bool | None = None
        for key, body in node.entries:
            directive = directive_of(key)
            if directive is None:
                yield self._key(key, scope), body, scope
            elif directive.name in ("if", "elseif", "else"):
                run, taken = self._branch(directive, taken, key.place, scope)
                if run:
                    yield from self.entries(body, scope)
            else:
                taken = None
                for inner in self._rounds(directive, key.place, scope):
                    yield from self.entries(body, inner)

    def _key(self, key: ScalarNode, scope: Scope) -> ScalarNode:
        found = self.scalar(key, scope)
        if not isinstance(found, ScalarNode):
            raise refuse(key.place, f"Unable to convert from {kind(found)} to String: '{key.text}'.")
        return found

    def _branch(
        self, directive: Directive, taken: bool | None, place: Position, scope: Scope
    ) -> tuple[bool, bool | None]:
        """Return whether a branch runs, and whether one of its chain has run."""
        if directive.name == "if":
            run = is_truthy(self.value(directive.expression, place, scope))
            return run, run
        if taken is None:
            raise refuse(place, f"The expression directive '{directive.name}' is not supported in this context")
        if directive.name == "else":
            return not taken, None
        run = not taken and is_truthy(self.value(directive.expression, place, scope))
        return run, taken or run

    def _rounds(self, directive: Directive, place: Position, scope: Scope) -> Iterator[Scope]:
        if directive.name == "insert":
            yield scope
            return
        collection = self.value(directive.expression, place, scope)
        if collection is None or collection == "":
            return
        if isinstance(collection, Mapping):
            for key, each in list(collection.items()):
                self._grow(_ROUND_SIZE, place)
                yield scope.with_loop(directive.variable, {"key": key, "value": each})
        elif isinstance(collection, Sequence) and not isinstance(collection, str):
            for each in collection:
                self._grow(_ROUND_SIZE, place)
                yield scope.with_loop(directive.variable, each)
        else:
            raise refuse(place, f"Expected a list or a mapping: '{directive.expression}'.")

    def _scalar_branch(self, node: MappingNode, scope: Scope) -> Node | None:
        """Return the text that a chain of conditions chooses; None if its branches are mappings."""
        bodies = [body for _, body in node.entries]
        if not all(isinstance(body, ScalarNode) for body in bodies):
            return None
        if any(directive.name in ("each", "insert") for key, _ in node.entries if (directive := directive_of(key))):
            return None
        taken: bool | None = None
        chosen: Node = ScalarNode("", node.place, True)
        for key, body in node.entries:
            directive = directive_of(key)
            if directive is not None:
                run, taken = self._branch(directive, taken, key.place, scope)
                chosen = self.expand(body, scope) if run else chosen
        return chosen

    def _counted(self, node: Node) -> Node:
        self._grow(_size(node), node.place)
        return node

    def _grow(self, size: int, place: Position) -> None:
        """Bound the expanded text, and with it the rounds of loops, also of those that give nothing."""
        self._size += size
        if self._size > MAX_SIZE:
            raise refuse(place, "Maximum object size exceeded: the expanded pipeline is larger than 10 MB.")


def _gives_list(node: MappingNode) -> bool:
    return any(
        isinstance(body, SequenceNode)
        or (isinstance(body, MappingNode) and only_directives(body) and _gives_list(body))
        for _, body in node.entries
    )


def _size(node: Node) -> int:
    """Return about how many characters a tree has."""
    if isinstance(node, ScalarNode):
        return _NODE_SIZE + len(node.text)
    if isinstance(node, SequenceNode):
        return _NODE_SIZE + sum(map(_size, node.items))
    return _NODE_SIZE + sum(_size(key) + _size(each) for key, each in node.entries)


def check_syntax(node: Node, loops: frozenset[str] = frozenset()) -> None:
    """Check every expression of a file, also those of branches that are not taken.

    Raises:
        PipelineError: One is not valid.
    """
    if node.expanded:
        return
    if isinstance(node, ScalarNode):
        for part in parts(node.text, node.place):
            if isinstance(part, Expression):
                _check(part.text, node.place, loops)
    elif isinstance(node, SequenceNode):
        for each in node.items:
            check_syntax(each, loops)
    else:
        for key, each in node.entries:
            directive = directive_of(key)
            if directive is None:
                check_syntax(key, loops)
            elif directive.expression:
                _check(directive.expression, key.place, loops)
            inner = loops
            if directive is not None and directive.variable:
                inner = loops | {_loop_variable(directive.variable, key.place, loops)}
            check_syntax(each, inner)


def _loop_variable(name: str, place: Position, loops: frozenset[str]) -> str:
    """Return the name of a loop's variable in lowercase, which must be free (recorded: C-E03-105 and 106)."""
    folded = name.lower()
    if folded in FUNCTIONS:
        _check(name, place, loops)
    if folded in {"parameters", "variables", *loops}:
        # Spelled as the service does.
        raise refuse(place, f"The idenfifier '{name}' has already been defined within the current scope")
    return folded


def _check(text: str, place: Position, loops: frozenset[str]) -> None:
    if is_directive_text(text):
        raise refuse(place, f"Unexpected value '${{{{ {text} }}}}'")
    if not text:
        raise refuse(place, "An expression was expected")
    try:
        parse(text, {"parameters", "variables", *loops}, FUNCTIONS)
    except ExpressionError as error:
        raise refuse(place, f"{error}") from error
