"""Expressions of deployment templates: `[concat('kv', uniqueString(parameters('name')))]`.

learn.microsoft.com/azure/azure-resource-manager/templates/template-expressions and template-functions. The functions
that azure-ai-ml's `workspace_base.json` and the lab's own templates use are served, and related ones; any other
function is refused by name.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

_TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(-?\d+)|([A-Za-z_]\w*)|([(),.\[\]]))")
Arguments = list[Callable[[], Any]]
"""Not evaluated yet: `if` evaluates only the branch that it takes."""
LONGEST = 24_576
"""Maximum length of an expression ("ARM template best practices", Template limits)."""
_MOST_CALLS = 100_000
"""Maximum number of function calls in the expressions of one step: a value can double with every line of a template."""
_LONGEST_VALUE = 4 << 20
"""Maximum length of a string: an expanded template may be as large as 4 MB (Template limits)."""
_LONGEST_NUMBER = 20
"""Maximum length of a number: those of ARM have 64 bits."""
_DEEPEST = 50
"""Maximum nesting depth of expressions and variables."""


class TemplateError(Exception):
    """An expression is invalid, or uses something that is not served."""


class UnknownYetError(TemplateError):
    """An expression needs a value that exists only after a deployment."""


class Expressions:
    """Evaluates the expressions of one deployment."""

    def __init__(
        self,
        parameter: Callable[[str], Any],
        variables: Mapping[str, Any],
        scope: Mapping[str, Any],
        reference: Callable[[str, bool], Any],
    ) -> None:
        """Keep what expressions can refer to.

        Args:
            parameter: Returns the value of a parameter by its name.
            variables: As the template writes them.
            scope: `subscription` and `resourceGroup`, as the functions of these names return them.
            reference: Returns a deployed resource by its ID or name; whole, or only its properties.
        """
        self._parameter = parameter
        self._variables = {name.lower(): value for name, value in variables.items()}
        self._scope = scope
        self._reference = reference
        self._calls = 0
        self._depth = 0

    def value(self, written: Any) -> Any:
        """Return the value of a part of a template, with the expressions at all levels evaluated.

        Raises:
            TemplateError: An expression cannot be evaluated.
        """
        if isinstance(written, dict):
            return {key: self.value(value) for key, value in written.items()}
        if isinstance(written, list):
            return [self.value(each) for each in written]
        if not isinstance(written, str) or not (written.startswith("[") and written.endswith("]")):
            return written
        if written.startswith("[["):
            return written[1:]
        if len(written) > LONGEST:
            raise TemplateError(f"The template language expression exceeds the limit of {LONGEST} characters.")
        return _Parser(self, written[1:-1]).whole()

    def known(self, written: Any) -> Any:
        """Return the same, but leave expressions unevaluated whose values are not known yet."""
        if isinstance(written, dict):
            return {key: self.known(value) for key, value in written.items()}
        if isinstance(written, list):
            return [self.known(each) for each in written]
        try:
            return self.value(written)
        except UnknownYetError:
            return written

    def request(self, name: str, arguments: Arguments) -> Any:
        """Return the value of a function.

        Raises:
            TemplateError: The function is not served, or does not accept these arguments.
        """
        self._calls += 1
        if self._calls > _MOST_CALLS or self._depth >= _DEEPEST:
            raise TemplateError(f"The template language expression with '{name}' is not valid: it is too complex.")
        self._depth += 1
        try:
            value = self._called(name, arguments)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            raise TemplateError(
                f"Unable to evaluate template language function '{name}': the type of its arguments or their number is "
                "not what it takes."
            ) from None
        finally:
            self._depth -= 1
        if isinstance(value, str | list | dict) and len(value) > _LONGEST_VALUE:
            raise TemplateError(f"The template language expression with '{name}' is not valid: its value is too large.")
        return value

    def _called(self, name: str, arguments: Arguments) -> Any:
        lowered = name.lower()
        if lowered == "if":
            return arguments[1]() if arguments[0]() else arguments[2]()
        if lowered == "and":
            return all(each() for each in arguments)
        if lowered == "or":
            return any(each() for each in arguments)
        values = [each() for each in arguments]
        if lowered == "parameters":
            return self._parameter(str(values[0]))
        if lowered == "variables":
            return self.value(named(self._variables, str(values[0]), "variable"))
        if lowered == "reference":
            return self._reference(str(values[0]), len(values) > 2 and str(values[2]).lower() == "full")
        if lowered == "resourceid":
            return self._resource_id([str(each) for each in values])
        if lowered in {"subscription", "resourcegroup"}:
            return self._scope[lowered]
        if lowered in _FUNCTIONS:
            return _FUNCTIONS[lowered](*values)
        raise TemplateError(f"The practice cloud does not serve the template function '{name}'.")

    def _resource_id(self, words: list[str]) -> str:
        """Return `[subscription, ][group, ]type, names…` as an ID."""
        at = next((index for index, each in enumerate(words) if "/" in each), None)
        if at is None or at > 2 or len(words) - at - 1 != words[at].count("/"):
            raise TemplateError("Unable to evaluate template language function 'resourceId'.")
        group = words[at - 1] if at else str(self._scope["resourcegroup"]["name"])
        subscription = words[0] if at == 2 else str(self._scope["subscription"]["subscriptionId"])
        namespace, *kinds = words[at].split("/")
        below = "/".join(f"{kind}/{name}" for kind, name in zip(kinds, words[at + 1 :], strict=True))
        return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{namespace}/{below}"


def named(values: Mapping[str, Any], name: str, kind: str) -> Any:
    """Return a value by its case-insensitive name.

    Raises:
        TemplateError: There is none of this name.
    """
    if name.lower() not in values:
        raise TemplateError(f"The template {kind} '{name}' is not found.")
    return values[name.lower()]


class _Parser:
    """Reads one expression."""

    def __init__(self, expressions: Expressions, text: str) -> None:
        self._expressions = expressions
        self._text = text
        self._depth = 0
        self._tokens: list[str] = []
        position = 0
        while position < len(text.rstrip()):
            found = _TOKEN.match(text, position)
            if found is None:
                raise TemplateError(f"The template language expression '{text}' is not valid.")
            self._tokens.append(found[0].strip())
            position = found.end()

    def whole(self) -> Any:
        """Return the value of the whole expression."""
        value = self._expression()()
        if self._tokens:
            raise TemplateError(f"The template language expression '{self._text}' is not valid.")
        return value

    def _next(self, *expected: str) -> str:
        if not self._tokens or (expected and self._tokens[0] not in expected):
            raise TemplateError(f"The template language expression '{self._text}' is not valid.")
        return self._tokens.pop(0)

    def _expression(self) -> Callable[[], Any]:
        token = self._next()
        if token.startswith("'"):
            text = token[1:-1].replace("''", "'")
            return self._tail(lambda: text)
        if token.lstrip("-").isdigit():
            if len(token) > _LONGEST_NUMBER:
                raise TemplateError(f"The template language expression '{token[:_LONGEST_NUMBER]}…' is not valid.")
            return lambda: int(token)
        self._depth += 1
        if self._depth > _DEEPEST:
            raise TemplateError("The template language expression is not valid: it is nested too deeply.")
        self._next("(")
        arguments: Arguments = []
        while self._tokens and self._tokens[0] != ")":
            if arguments:
                self._next(",")
            arguments.append(self._expression())
        self._next(")")
        self._depth -= 1
        return self._tail(lambda: self._expressions.request(token, arguments))

    def _tail(self, value: Callable[[], Any]) -> Callable[[], Any]:
        """Read `.name` and `[index]` after a value."""
        while self._tokens and self._tokens[0] in {".", "["}:
            if self._next() == ".":
                name = self._next()
                value = _member(value, lambda name=name: name)  # type: ignore[misc]  # bound now, not later
            else:
                value = _member(value, self._expression())
                self._next("]")
        return value


def _member(value: Callable[[], Any], name: Callable[[], Any]) -> Callable[[], Any]:
    def found() -> Any:
        whole, key = value(), name()
        try:
            if isinstance(whole, dict):
                return next(whole[each] for each in whole if each.lower() == str(key).lower())
            return whole[key]
        except (StopIteration, LookupError, TypeError):
            raise TemplateError(f"The language expression property '{key}' doesn't exist.") from None

    return found


def _unique(*words: Any) -> str:
    """Return thirteen characters that depend only on the arguments; how Azure derives them is not documented."""
    digest = int(hashlib.sha256("-".join(str(each) for each in words).encode()).hexdigest(), 16)
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    return "".join(letters[(digest >> 5 * index) & 31] for index in range(13))


def _concat(*values: Any) -> Any:
    if values and all(isinstance(each, list) for each in values):
        return [item for each in values for item in each]
    return "".join(_text(each) for each in values)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else json.dumps(value)


def _union(*values: Any) -> Any:
    if all(isinstance(each, dict) for each in values):
        return {key: value for each in values for key, value in each.items()}
    found: list[Any] = []
    for each in values:
        found += [item for item in each if item not in found]
    return found


def _format(pattern: str, *values: Any) -> str:
    return re.sub(r"\{(\d+)\}", lambda found: _text(values[int(found[1])]), pattern)


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "array": lambda value: value if isinstance(value, list) else [value],
    "bool": lambda value: str(value).lower() in {"true", "1"},
    "coalesce": lambda *values: next((each for each in values if each is not None), None),
    "concat": _concat,
    "contains": lambda whole, part: part in whole,
    "createarray": lambda *values: list(values),
    "createobject": lambda *values: dict(zip(values[::2], values[1::2], strict=True)),
    "empty": lambda value: not value,
    "equals": lambda one, other: one == other,
    "false": lambda: False,
    "first": lambda value: value[0],
    "format": _format,
    "int": int,
    "json": json.loads,
    "last": lambda value: value[-1],
    "length": len,
    "newguid": lambda: str(uuid.uuid4()),
    "not": lambda value: not value,
    "null": lambda: None,
    "replace": lambda text, old, new: text.replace(old, new),
    "split": lambda text, by: text.split(by),
    "string": _text,
    "substring": lambda text, start, length=None: text[start : None if length is None else start + length],
    "take": lambda value, count: value[:count],
    "tolower": lambda text: text.lower(),
    "toupper": lambda text: text.upper(),
    "trim": lambda text: text.strip(),
    "true": lambda: True,
    "union": _union,
    "uniquestring": _unique,
}
"""Functions that depend only on their arguments."""
