"""`variables` as plain data, and the values that are known before the run.

Source: https://learn.microsoft.com/azure/devops/pipelines/yaml-schema/variables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from hol_wizard.practice.pipelines.compile.fields import Fields, check_runtime
from hol_wizard.practice.pipelines.compile.nodes import Node, refuse
from hol_wizard.practice.pipelines.plan import VariableSource

_NAME = re.compile(r"[\w.\- ]+\Z")
_MACRO = re.compile(r"\$\(([^()]+)\)")
_MAX_DEPTH = 50
_RESERVED = ("endpoint", "input", "secret", "path", "securefile")


def variable_sources(items: Iterable[Node]) -> tuple[VariableSource, ...]:
    """Return the entries of `variables`.

    Raises:
        PipelineError: One is not valid.
    """
    return tuple(_source(each) for each in items)


def _source(node: Node) -> VariableSource:
    fields = Fields(node, "a variable")
    if fields.has("group"):
        group = fields.text("group")
        fields.end()
        if not group.strip():
            raise refuse(node.place, "A variable group needs a name.")
        if _MACRO.search(group) or group.lstrip().startswith("$["):
            raise refuse(
                fields.place("group"),
                f"The name of a variable group must be known before the run: '{group}' has a runtime variable.",
            )
        return VariableSource(group, None, node.place)
    name = fields.text("name")
    if not fields.has("name"):
        raise refuse(node.place, "A variable needs 'name' and 'value', or 'group'.")
    if not _NAME.match(name):
        raise refuse(fields.place("name"), f"'{name}' is not a valid name of a variable.")
    value = fields.text("value")
    check_runtime(value, fields.place("value"))
    source = VariableSource(name, value, node.place, fields.flag("readonly"))
    fields.end()
    return source


def is_reserved(name: str) -> bool:
    """Return whether a variable's name begins with a prefix that is the agent's own."""
    return name.lower().startswith(_RESERVED)


class KnownVariables:
    """The variables whose values are in the YAML, for names that are needed before the run."""

    def __init__(self, *sources: Iterable[VariableSource]) -> None:
        self._values: dict[str, str] = {}
        for each in (source for group in sources for source in group):
            if each.value is not None:
                self._values[each.name.lower()] = each.value

    def with_values(self, values: Mapping[str, str]) -> KnownVariables:
        """Return a copy with more variables, such as those of a leg of a matrix."""
        inner = KnownVariables()
        inner._values = self._values | {name.lower(): value for name, value in values.items()}
        return inner

    def resolve(self, text: str) -> str:
        """Return a text with the macros of known variables replaced; the others stay."""
        for _ in range(_MAX_DEPTH):
            replaced = _MACRO.sub(lambda found: self._values.get(found[1].strip().lower(), found[0]), text)
            if replaced == text or len(replaced) > 10_000:
                break
            text = replaced
        return text


def has_macro(text: str) -> bool:
    """Return whether a text has macros or is a runtime expression."""
    return _MACRO.search(text) is not None or text.lstrip().startswith("$[")
