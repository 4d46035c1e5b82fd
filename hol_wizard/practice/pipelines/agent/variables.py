"""The variables of a job: `$(x)` in texts, and what programs receive as environment variables.

The azure-pipelines-agent, Variables.cs and VarUtil.cs: names compare case-insensitively; values of variables are
expanded recursively, to a depth of 50, and stay as they are in a cycle; other texts are expanded once; an unknown name
stays as it is. A variable whose value contains a secret variable is a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from hol_wizard.practice.pipelines.agent.masking import Masker

DEPTH = 50
_RESERVED = (
    "agent.",
    "build.",
    "common.",
    "environment.",
    "pipeline.",
    "resources.",
    "strategy.",
    "system.",
    "tf_build",
)
"""Prefixes of the variables that the system sets."""


_DETAILS = "See https://github.com/microsoft/azure-pipelines-yaml/blob/master/design/readonly-variables.md for details."


class ReadOnlyError(Exception):
    """A variable cannot be changed."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable, with its value before expansion."""

    name: str
    value: str = field(repr=False)
    secret: bool = False
    read_only: bool = False
    preserve_case: bool = False


def expanded(text: str, find: Callable[[str], str | None]) -> str:
    """Return a text with the values of its macros, which are not expanded again; unknown ones stay.

    Args:
        text: A text such as `$(Build.SourcesDirectory)/a`.
        find: Returns the value of a variable, or None.
    """
    parts: list[str] = []
    at = 0
    while (start := text.find("$(", at)) >= 0:
        end = text.find(")", start)
        if end < 0:
            break
        value = find(text[start + 2 : end])
        if value is None:
            parts.append(text[at : start + 1])
            at = start + 1
        else:
            parts += [text[at:start], value]
            at = end + 1
    return "".join([*parts, text[at:]])


def environment_name(variable: Variable) -> str:
    """Return the name of the environment variable of a variable."""
    name = re.sub(r"[. ]", "_", variable.name)
    return name if variable.preserve_case else name.upper()


class Variables:
    """All variables of a job."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._given: dict[str, Variable] = {}
        self._values: dict[str, Variable] = {}
        self.warnings: list[str] = []
        """About cycles, since the last `recalculate`."""

    def set(
        self,
        name: str,
        value: str,
        *,
        secret: bool = False,
        read_only: bool = False,
        preserve_case: bool = False,
    ) -> None:
        """Set a variable; once a variable is secret, it stays secret."""
        known = self._values.get(name.lower())
        secret = secret or (known is not None and known.secret)
        if secret:
            self._masker.add(value)
        read_only = read_only or (known is not None and known.read_only)
        variable = Variable(known.name if known else name, value, secret, read_only, preserve_case)
        self._given[name.lower()] = self._values[name.lower()] = variable

    def change(self, name: str, value: str, **how: bool) -> str:
        """Set a variable for a program that asks for it, and return a warning, or an empty text.

        Raises:
            ReadOnlyError: It is read-only.
        """
        known = self._values.get(name.lower())
        if known is not None and known.read_only:
            if not name.lower().startswith(_RESERVED):
                raise ReadOnlyError(f"Overwriting readonly variable '{name}' is not permitted. {_DETAILS}")
            # TaskCommandExtension.cs: without `agent.readOnlyVariables`, only a warning.
            self._given[name.lower()] = self._values[name.lower()] = replace(known, value=value)
            return f"Overwriting readonly variable '{name}'. This behavior will be disabled in the future. {_DETAILS}"
        self.set(name, value, **how)
        return ""

    def get(self, name: str) -> str | None:
        """Return the value of a variable; None if there is none."""
        found = self._values.get(name.lower())
        return None if found is None else found.value

    def is_secret(self, name: str) -> bool:
        """Return whether there is a secret variable of this name."""
        found = self._values.get(name.lower())
        return found is not None and found.secret

    def flag(self, name: str) -> bool:
        """Return whether a variable says true."""
        return (self.get(name) or "").strip().lower() in {"true", "1"}

    def expand(self, text: str) -> str:
        """Return a text with the values of its macros."""
        return expanded(text, self.get)

    def all(self) -> Mapping[str, str]:
        """Return all values by their names."""
        return {each.name: each.value for each in self._values.values()}

    def recalculate(self) -> None:
        """Expand the values of all variables again; done before each step."""
        self.warnings = []
        self._values = {key: self._expanded(key) for key in self._given}
        for each in self._values.values():
            if each.secret:
                self._masker.add(each.value)

    def _expanded(self, key: str) -> Variable:
        variable = self._given[key]
        if "$(" not in variable.value:
            return variable
        secret = variable.secret

        def value_of(name: str, above: tuple[str, ...]) -> str | None:
            nonlocal secret
            found = self._given.get(name.lower())
            if found is None:
                return None
            if name.lower() in above:
                raise RecursionError(f"Unable to expand variable '{variable.name}'. A cyclical reference was detected.")
            if len(above) > DEPTH:
                raise RecursionError(
                    f"Unable to expand variable '{variable.name}'. The max expansion depth ({DEPTH}) was exceeded."
                )
            secret = secret or found.secret
            return expanded(found.value, lambda inner: value_of(inner, (*above, name.lower())))

        try:
            value = expanded(variable.value, lambda inner: value_of(inner, (key,)))
        except RecursionError as error:
            self.warnings.append(str(error))
            return replace(variable, secret=secret)
        return replace(variable, value=value, secret=secret)

    def environment(self) -> dict[str, str]:
        """Return the environment variables for programs: all variables that are not secret."""
        return {environment_name(each): each.value for each in self._values.values() if not each.secret}
