"""Templates are inserted: from a pipeline's file to one expanded tree.

Sources: https://learn.microsoft.com/azure/devops/pipelines/process/templates and
https://learn.microsoft.com/azure/devops/pipelines/process/template-expressions. Expressions see the variables
that are written before them: those of the root everywhere, those of a stage or a job only inside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hol_wizard.practice.pipelines.compile.expansion import Expander, Scope
from hol_wizard.practice.pipelines.compile.fields import Fields, scalar_text
from hol_wizard.practice.pipelines.compile.files import FileTrees
from hol_wizard.practice.pipelines.compile.nodes import (
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    refuse,
    refuse_expressions,
)
from hol_wizard.practice.pipelines.compile.parameters import declarations
from hol_wizard.practice.pipelines.compile.texts import directive_of
from hol_wizard.practice.pipelines.plan import Position

MAX_LEVELS = 20
"""Templates in templates: https://learn.microsoft.com/azure/devops/pipelines/process/templates, "Imposed limits"."""
_LISTS: dict[str, str] = {"stages": "stage", "jobs": "job", "steps": "step"}
_MAPPINGS: dict[str, dict[str, str]] = {
    "pipeline": {},
    "stage": {},
    "job": {"strategy": "strategy"},
    "strategy": {"runonce": "hooks", "rolling": "hooks", "canary": "hooks"},
    "hooks": {
        "predeploy": "hook",
        "deploy": "hook",
        "routetraffic": "hook",
        "postroutetraffic": "hook",
        "on": "hooks",
        "success": "hook",
        "failure": "hook",
    },
    "hook": {},
}
"""For each kind of mapping: its entries that are mappings with lists of steps in them."""
_WITH_VARIABLES = ("pipeline", "stage", "job")
_LITERAL = ("pr", "schedules")
"""Read before expressions are expanded. `trigger` may have expressions, but no directives (recorded: C-E03-109 and
110), although the documentation says otherwise."""


class TemplateWalker:
    """Expands one pipeline."""

    def __init__(self, trees: FileTrees, expander: Expander) -> None:
        self._trees = trees
        self._expander = expander

    def pipeline(self, root: MappingNode, scope: Scope, level: int = 0) -> MappingNode:
        """Return the expanded tree of a pipeline's file, or of a template that is extended.

        Raises:
            PipelineError: Something cannot be expanded.
        """
        return self._expander.mapping(self._root_entries(root, scope, level), root.place)

    def _root_entries(self, root: MappingNode, scope: Scope, level: int) -> Iterator[tuple[ScalarNode, Node]]:
        has_variables: ScalarNode | None = None
        for key, node, inner in self._expander.entries(root, scope):
            name = key.text.lower()
            if name == "parameters":
                continue
            if name == "trigger":
                _check_no_directive(node)
                yield key, self._expander.expand(node, inner)
            elif name in _LITERAL:
                _check_literal(node, name)
                yield key, node
            elif name == "resources":
                yield key, self._resources(node, inner)
            elif name == "extends":
                for extended, value in self._extended(node, inner, level):
                    if extended.text.lower() == "variables" and has_variables is not None:
                        raise refuse(
                            has_variables.place,
                            "'variables' is not allowed beside 'extends' if the template has variables, too.",
                        )
                    yield extended, value
            else:
                has_variables = key if name == "variables" else has_variables
                yield key, self._entry("pipeline", name, node, inner, level)

    def _resources(self, node: Node, scope: Scope) -> Node:
        """Expressions are for containers only."""
        if isinstance(node, MappingNode):
            for key, each in node.entries:
                if key.text.lower() != "containers":
                    _check_literal(each, f"resources.{key.text}")
        return self._expander.expand(node, scope)

    def _extended(self, node: Node, scope: Scope, level: int) -> Iterator[tuple[ScalarNode, Node]]:
        tree, inner = self._template(node, scope, level, "extends")
        yield from self.pipeline(tree, inner, level + 1).entries

    def _entry(self, kind: str, name: str, node: Node, scope: Scope, level: int) -> Node:
        """Return one entry of a mapping, with the templates in it."""
        if name == "variables" and kind in _WITH_VARIABLES:
            return self._variables(node, scope, level)
        if name in _LISTS and not (kind == "hook" and name != "steps"):
            items = tuple(self._list(_LISTS[name], name, node, scope, level))
            return SequenceNode(items, node.place, True)
        inner = _MAPPINGS[kind].get(name)
        if inner is None or isinstance(node, ScalarNode):
            return self._expander.expand(node, scope)
        return self._mapping(inner, node, scope, level)

    def _mapping(self, kind: str, node: Node, scope: Scope, level: int) -> MappingNode:
        if kind in ("stage", "job"):
            scope = scope.inner()
        entries = (
            (key, self._entry(kind, key.text.lower(), each, inner, level))
            for key, each, inner in self._expander.entries(node, scope)
        )
        return self._expander.mapping(entries, node.place)

    def _list(self, kind: str, name: str, node: Node, scope: Scope, level: int) -> Iterator[Node]:
        for item, inner in self._expander.items(node, scope):
            if _is_template(item):
                tree, within = self._template(item, inner, level, name)
                yield from self._list(kind, name, _content(tree, name, item.place), within, level + 1)
            elif kind == "step" or isinstance(item, ScalarNode):
                yield self._expander.expand(item, inner)
            else:
                yield self._mapping(kind, item, inner, level)

    def _variables(self, node: Node, scope: Scope, level: int) -> SequenceNode:
        return SequenceNode(tuple(self._variable_items(node, scope, level)), node.place, True)

    def _variable_items(self, node: Node, scope: Scope, level: int) -> Iterator[Node]:
        """Yield the variables as a list, whichever form they have; each is seen by the expressions after it."""
        if _is_mapping_form(node):
            for key, each, inner in self._expander.entries(node, scope):
                value = self._expander.expand(each, inner)
                scope.variables[key.text] = scalar_text(value, key.text)
                yield MappingNode(
                    ((_key("name", key.place), key), (_key("value", value.place), value)), key.place, True
                )
            return
        for item, inner in self._expander.items(node, scope):
            if _is_template(item):
                tree, within = self._template(item, inner, level, "variables")
                yield from self._variable_items(_content(tree, "variables", item.place), within, level + 1)
                continue
            found = self._expander.expand(item, inner)
            if isinstance(found, MappingNode):
                name, text = found.get_node("name"), found.get_node("value")
                if isinstance(name, ScalarNode) and isinstance(text, ScalarNode):
                    scope.variables[name.text] = text.text
            yield found

    def _template(self, item: Node, scope: Scope, level: int, what: str) -> tuple[MappingNode, Scope]:
        """Return the file that an item uses, with the scope of its content."""
        fields = Fields(self._expander.expand(item, scope), f"a template of {what}")
        place = fields.place("template")
        if not fields.has("template"):
            raise refuse(fields.place(), "'extends' needs a 'template'.")
        if level >= MAX_LEVELS:
            raise refuse(place, f"Exceeded the maximum of {MAX_LEVELS} nested templates.")
        tree = self._trees.template(fields.text("template"), place)
        given = fields.mapping("parameters")
        fields.end()
        parameters = declarations(tree.get_node("parameters"))
        bound = parameters.bind({} if given is None else _by_name(given), place)
        return tree, Scope(bound, scope.variables)


def _by_name(given: MappingNode) -> Mapping[str, Node]:
    return {key.text: each for key, each in given.entries}


def _key(text: str, place: Position) -> ScalarNode:
    return ScalarNode(text, place, True)


def _is_template(item: Node) -> bool:
    return isinstance(item, MappingNode) and item.get_node("template") is not None


def _is_mapping_form(node: Node) -> bool:
    """Return whether variables have the form `name: value`, also within directives."""
    if not isinstance(node, MappingNode):
        return False
    bodies = [each for key, each in node.entries if not key.expanded]
    return not any(isinstance(each, SequenceNode) for each in bodies)


def _content(tree: MappingNode, name: str, place: Position) -> Node:
    """Return the list that a template is for; besides parameters, it may have nothing else."""
    found: Node | None = None
    for key, each in tree.entries:
        if key.text.lower() == name:
            found = each
        elif key.text.lower() != "parameters":
            raise refuse(key.place, f"Unexpected value '{key.text}' in a template of {name}.")
    if found is None:
        raise refuse(place, f"The template {tree.place.file} has no '{name}'.")
    return found


def _check_no_directive(node: Node) -> None:
    """Check that no key of a tree is a directive."""
    if isinstance(node, MappingNode):
        for key, each in node.entries:
            if directive_of(key) is not None:
                raise refuse(key.place, "A mapping was not expected")
            _check_no_directive(each)
    elif isinstance(node, SequenceNode):
        for each in node.items:
            _check_no_directive(each)


def _check_literal(node: Node, name: str) -> None:
    refuse_expressions(node, f"A template expression is not allowed in '{name}'.")
