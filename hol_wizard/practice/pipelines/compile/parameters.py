"""Parameters of a pipeline or of a template: declarations, types, and the values that are bound to them.

Source: https://learn.microsoft.com/azure/devops/pipelines/process/template-parameters and
https://learn.microsoft.com/azure/devops/pipelines/yaml-schema/parameters-parameter. The page says that a boolean
becomes `true`; the service writes `True`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hol_wizard.practice.pipelines.compile.fields import Fields
from hol_wizard.practice.pipelines.compile.nodes import (
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    filled,
    refuse,
    refuse_expressions,
)
from hol_wizard.practice.pipelines.expressions import StrictMapping, Value
from hol_wizard.practice.pipelines.expressions.values import number_of
from hol_wizard.practice.pipelines.plan import Position

_TEXTS = ("string", "environment", "filepath", "pool", "securefile", "serviceconnection")
_MAPPINGS = ("step", "job", "deployment", "stage", "container")
_LISTS = ("steplist", "joblist", "deploymentlist", "stagelist", "containerlist", "stringlist")
_LITERALS = "A template expression is not allowed in this context: parameters have literals only."
_TYPES = (*_TEXTS, "number", "boolean", "object", *_MAPPINGS, *_LISTS)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A declared parameter."""

    name: str
    kind: str
    place: Position
    default: Node | None = None
    allowed: tuple[str, ...] = ()

    def value(self, given: Node) -> Value:
        """Return a value as this parameter's type.

        Raises:
            PipelineError: It does not fit.
        """
        value = self._converted(given)
        if self.allowed and not (isinstance(given, ScalarNode) and given.text in self.allowed):
            raise refuse(
                given.place,
                f"The '{self.name}' parameter value '{_shown(given)}' is not allowed. "
                f"Allowed values: {', '.join(self.allowed)}.",
            )
        return value

    def _converted(self, given: Node) -> Value:
        if self.kind == "object":
            return given.value
        if self.kind in _LISTS and isinstance(given, SequenceNode):
            return given
        if self.kind in _MAPPINGS and isinstance(given, MappingNode):
            return given
        if isinstance(given, ScalarNode):
            text = given.text.strip()
            if self.kind in _TEXTS:
                return given.text
            if self.kind == "boolean" and text.lower() in ("true", "false"):
                return text.lower() == "true"
            if self.kind == "number" and (number := number_of(text)) is not None:
                return number
            if self.kind in _LISTS and not text:
                return SequenceNode((), given.place, True)
        kind = self.kind[:1].upper() + self.kind[1:]
        raise refuse(given.place, f"The '{self.name}' parameter value '{_shown(given)}' is not a valid {kind}.")


def _shown(given: Node) -> str:
    return given.text if isinstance(given, ScalarNode) else "…"


@dataclass(frozen=True, slots=True)
class Declarations:
    """The `parameters` of a file."""

    parameters: tuple[Parameter, ...] = ()
    typed: bool = False
    """Whether it has the list form, which refuses other parameters. The old form, a mapping, takes everything."""

    def bind(self, given: Mapping[str, Node], place: Position) -> Mapping[str, Value]:
        """Return the values by the parameters' names.

        Args:
            given: The values that the file is used with.
            place: Where it is used.

        Raises:
            PipelineError: One is missing, unknown, or does not fit.
        """
        values = {name.lower(): (name, node) for name, node in given.items()}
        bound: dict[str, Value] = {}
        for each in self.parameters:
            _, node = values.pop(each.name.lower(), ("", each.default))
            if node is None:
                raise refuse(place, f"A value for the '{each.name}' parameter must be provided.")
            bound[each.name] = each.value(node)
        for name, node in values.values():
            if self.typed:
                raise refuse(node.place, f"Unexpected parameter '{name}'.")
            bound[name] = node.value
        return StrictMapping(bound) if self.typed else bound


def declarations(node: Node | None) -> Declarations:
    """Return what the `parameters` of a file declare.

    Raises:
        PipelineError: A declaration is not valid.
    """
    if (node := filled(node)) is None:
        return Declarations()
    if isinstance(node, MappingNode):
        for _, default in node.entries:
            refuse_expressions(default, _LITERALS)
        untyped = (Parameter(key.text, "object", key.place, default) for key, default in node.entries)
        return Declarations(tuple(untyped))
    if isinstance(node, ScalarNode):
        raise refuse(node.place, "Expected a list of parameters.")
    found = tuple(_parameter(each) for each in node.items)
    names = [each.name.lower() for each in found]
    for at, each in enumerate(found):
        if each.name.lower() in names[:at]:
            raise refuse(each.place, f"The parameter '{each.name}' is declared more than once.")
    return Declarations(found, typed=True)


def _parameter(node: Node) -> Parameter:
    refuse_expressions(node, _LITERALS)
    fields = Fields(node, "a parameter")
    name = fields.text("name")
    if not name:
        raise refuse(node.place, "A parameter needs a name.")
    kind = fields.text("type", "string")
    if kind.lower() not in _TYPES:
        raise refuse(fields.place("type"), f"The parameter '{name}' has the unknown type '{kind}'.")
    fields.text("displayName")
    allowed = fields.texts("values")
    default = fields.node("default")
    fields.end()
    parameter = Parameter(name, kind.lower(), node.place, default, allowed)
    if default is not None:
        parameter.value(default)
    return parameter
