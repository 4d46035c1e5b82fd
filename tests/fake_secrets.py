"""The secrets of a wizard that has no keyring: what both fake wizards answer alike."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Self

from hol_wizard.lab.inputs import INPUTS, Input
from hol_wizard.lab.model import Target
from hol_wizard.services.secrets import Secret


class FakeSecrets:
    """Keeps the secrets that it is given, by their name in a keyring, as long as it lives."""

    kept: dict[str, Secret]

    @property
    def answers(self) -> Self:
        """Its own answers."""
        return self

    @property
    def secrets(self) -> Self:
        """Its own secrets."""
        return self

    @property
    def ledger_care(self) -> Self:
        """Its own care of the ledger."""
        return self

    @property
    def ledger(self) -> Self:
        """Its own ledger."""
        return self

    def standing(self) -> tuple[()]:
        return ()

    def in_force(self, inputs: Mapping[str, str] | None = None) -> dict[str, str]:
        values = {name: self.value(name) for name in INPUTS if not INPUTS[name].secret} | dict(inputs or {})
        return {name: value for name, value in values.items() if value}

    @abstractmethod
    def value(self, name: str) -> str:
        """Return the value of an input; empty where nobody gave one."""

    def asked(self, targets: Sequence[Target], inputs: Mapping[str, str] | None = None) -> tuple[Input, ...]:
        values = self.in_force(inputs)
        names = dict.fromkeys(name for target in targets for name in target.step.inputs)
        asked = (INPUTS[name] for name in names if INPUTS[name].secret and INPUTS[name].asked_with(values))
        return tuple(each for each in asked if not self.source(each.name, values))

    def source(self, name: str, inputs: Mapping[str, str] | None = None) -> str:
        return "this session" if INPUTS[name].keyring_name(inputs or {}) in self.kept else ""

    def keep(self, name: str, value: Secret, inputs: Mapping[str, str] | None = None) -> str:
        self.kept[INPUTS[name].keyring_name(inputs or {})] = value
        return f"{INPUTS[name].label}: kept for this session only, because there is no keyring here."
