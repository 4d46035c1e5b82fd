"""Where each value comes from: an option, a variable, the profile's file, or a default, in this order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from hol_wizard.errors import UsageError
from hol_wizard.lab.choices import Choices
from hol_wizard.lab.inputs import INPUTS, Input


class Origin(StrEnum):
    """Where a value comes from."""

    FLAG = "flag"
    VARIABLE = "variable"
    FILE = "file"
    DEFAULT = "default"


class Setting(NamedTuple):
    """A value and its source."""

    value: str
    origin: Origin
    source: str
    """In words, for a message: `--prefix`, `HOL_WIZARD_PREFIX`, the file's path, `default`."""


class Missing(NamedTuple):
    """An input without a value, and the three ways to provide one."""

    input: Input
    flag: str
    variable: str
    key: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The effective value of each input that has one."""

    values: Mapping[str, Setting] = field(default_factory=dict)
    file: Path | None = None
    """The profile's file, whether it exists or not."""

    @classmethod
    def resolve(
        cls,
        flags: Mapping[str, str | None],
        environ: Mapping[str, str],
        choices: Choices,
        defaults: Mapping[str, str],
        file: Path | None = None,
    ) -> Settings:
        """Return the effective values.

        Args:
            flags: The options of the command line, by input name; None or empty if an option is not given.
            environ: The environment variables.
            choices: The contents of the profile's file.
            defaults: The cloud's defaults (the practice cloud has one for each input), by input name.
            file: The profile's file.

        Raises:
            UsageError: Some values break their rules; the message lists all of them with their sources.
        """
        values: dict[str, Setting] = {}
        wrong: list[str] = []
        for name, each in INPUTS.items():
            if each.secret:
                # Never among the values: these are shown, saved and compared.
                continue
            offers = (
                Setting(flags.get(name) or "", Origin.FLAG, each.flag),
                Setting(environ.get(each.variable, ""), Origin.VARIABLE, each.variable),
                Setting(getattr(choices, each.key), Origin.FILE, f"{each.key} in {file or 'the profile'}"),
                Setting(defaults.get(name, "") or each.default, Origin.DEFAULT, "the default"),
            )
            given = next((offer for offer in offers if offer.value.strip()), None)
            if given is None:
                continue
            values[name] = given._replace(value=each.normalise(given.value))
            if problem := each.validate(values[name].value):
                wrong.append(f"{given.source} = {given.value!r}: {problem}")
        if wrong:
            raise UsageError("\n".join(wrong), "Correct it and start again. Nothing was changed.")
        return cls(values, file)

    def value(self, name: str) -> str:
        """Return the value of an input; empty if it is not set."""
        setting = self.values.get(name)
        return setting.value if setting else ""

    def missing(self, inputs: Iterable[str]) -> list[Missing]:
        """Return which of these inputs are required and have no value, each with the three ways to provide it.

        Secrets are not included: only the keyring knows whether there is one (`hol_wizard.wizard.secret_answers`).
        """
        asked = (INPUTS[name] for name in dict.fromkeys(inputs))
        wanted = (each for each in asked if each.required and not each.secret)
        return [Missing(each, each.flag, each.variable, each.key) for each in wanted if not self.value(each.name)]

    def missing_error(self, inputs: Iterable[str]) -> UsageError | None:
        """Return the error that lists which of these inputs are missing; None if none is missing."""
        missing = self.missing(inputs)
        if not missing:
            return None
        lines = [
            f"  {each.input.label}: {each.flag} {each.input.metavar}, or {each.variable}={each.input.metavar}, "
            f'or {each.key} = "{each.input.metavar}"'
            for each in missing
        ]
        count = "A value is" if len(missing) == 1 else f"{len(missing)} values are"
        flags = " ".join(f"{each.flag} {each.input.metavar}" for each in missing)
        return UsageError(
            "\n".join([f"{count} missing:", *lines]),
            f"Give {'it' if len(missing) == 1 else 'them'} as options ({flags}), as variables, or as keys in "
            f"{self.file or 'the profile file'}.",
        )

    def applied(self, choices: Choices) -> Choices:
        """Return these choices with the effective values.

        If the subscription has changed, its recorded name and tenant are removed.
        """
        values = {INPUTS[name].key: setting.value for name, setting in self.values.items()}
        if values.get("subscription", choices.subscription) != choices.subscription:
            values |= {"subscription_name": "", "tenant": ""}
        return replace(choices, **values)
