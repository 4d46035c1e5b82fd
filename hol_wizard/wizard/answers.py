"""The answers that the lab needs: existing values, missing values, and choices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hol_wizard.config import Origin
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import OFFERS
from hol_wizard.lab.choices import Choices
from hol_wizard.lab.inputs import INPUTS, Input
from hol_wizard.lab.model import Step, Target
from hol_wizard.lab.regions import REGIONS
from hol_wizard.wizard.connection import Connection


def _regions(found: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Return the physical regions of a subscription: `europe` and similar ones cannot contain a resource of the lab."""
    kinds = {str(each["name"]): (each.get("metadata") or {}).get("regionType", "Physical") for each in found}
    names = {str(each["name"]): str(each.get("displayName", each["name"])) for each in found}
    return tuple(sorted((name, names[name]) for name, kind in kinds.items() if kind == "Physical"))


class Answers:
    """The answers of one attendee: given for this run, saved, or offered."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._profile = connection.profile

    def missing(self, targets: Sequence[Target]) -> tuple[Input, ...]:
        """Return the required inputs that the targets ask for and that have neither a value nor a default."""
        asked = (name for target in targets for name in target.step.inputs)
        return tuple(each.input for each in self._profile.settings.missing(asked))

    def require(self, targets: Sequence[Target], inputs: Mapping[str, str] | None = None) -> None:
        """Refuse to continue without a value that the targets need.

        Args:
            targets: What will be done, including what it needs.
            inputs: Answers given for this run.

        Raises:
            UsageError: Values are missing; the message lists all of them, with the ways to provide them.
        """
        missing = [each.name for each in self.missing(targets) if not (inputs or {}).get(each.name)]
        if error := self._profile.settings.missing_error(missing):
            raise error

    def value(self, name: str) -> str:
        """Return an input's value: the chosen one, otherwise the default, otherwise an empty string."""
        return self._profile.settings.value(name)

    def options(self, name: str) -> tuple[tuple[str, str], ...]:
        """Return the (value, label) pairs to choose from; an empty list if any text is possible.

        Raises:
            WizardError: The cloud could not be asked.
        """
        if INPUTS[name].options or not INPUTS[name].listed:
            return INPUTS[name].options
        subscription = self._profile.choices.subscription
        if name == "location" and not subscription:
            return tuple(REGIONS[self._profile.cloud].items())
        services = self._connection.reach()
        if name in OFFERS:
            target = Target(Step("inputs", "inputs", "Inputs", "", 0))
            context = self._connection.context(target, services, ReadCache())
            return tuple((each.value, each.label) for each in OFFERS[name](context))
        if name == "subscription":
            return tuple((item.id, f"{item.name} ({item.state})") for item in services.identity.subscriptions())
        if name == "location":
            return _regions(services.arm.list(f"/subscriptions/{subscription}/locations"))
        return ()

    def in_force(self, inputs: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the answers for a run as they are saved; new answers take precedence over choices and defaults.

        Args:
            inputs: Answers given for this run.
        """
        answers = {name: self.value(name) for name in INPUTS} | dict(inputs or {})
        return {
            name: INPUTS[name].normalise(value) if name in INPUTS else value for name, value in answers.items() if value
        }

    def unsaved(self, target: Target, inputs: Mapping[str, str] | None) -> tuple[str, ...]:
        """Return the step's inputs whose value was given for this run and is not completely in the file.

        The names of everything that is created derive from them: a run without these options must find it again.
        """
        if not target.step.solve or not target.step.inputs:
            return ()
        saved = Choices.load(self._profile.path)
        kept = {name: {str(getattr(saved, name, ""))} for name in target.step.inputs}
        if "subscription" in kept:
            kept["subscription"] |= {saved.subscription_name.lower()}
        given = {
            name: setting.value
            for name, setting in self._profile.settings.values.items()
            if setting.origin in {Origin.FLAG, Origin.VARIABLE}
        } | {name: INPUTS[name].normalise(value) for name, value in (inputs or {}).items() if name in INPUTS and value}
        return tuple(
            name
            for name in target.step.inputs
            if (name in given and given[name] not in kept[name]) or (name == "subscription" and not saved.tenant)
        )
