"""The secrets that the lab needs: from a variable or the keyring, never from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hol_wizard.errors import UsageError
from hol_wizard.lab.inputs import INPUTS, Input
from hol_wizard.lab.model import Target
from hol_wizard.wizard.answers import Answers
from hol_wizard.wizard.connection import Connection

if TYPE_CHECKING:
    from hol_wizard.services.secrets import Secret


class SecretAnswers:
    """Finds and stores secrets. Every method may block: the keyring may wait for a person to unlock it."""

    def __init__(self, connection: Connection, answers: Answers, environ: Mapping[str, str]) -> None:
        self._connection = connection
        self._answers = answers
        self._environ = environ

    def _set_variable(self, each: Input) -> str:
        """Return the environment variable that contains a secret; an empty string if none does."""
        return next((variable for variable in each.variables if self._environ.get(variable, "").strip()), "")

    def asked(self, targets: Sequence[Target], inputs: Mapping[str, str] | None = None) -> tuple[Input, ...]:
        """Return the secrets that the targets need, with these answers, and that are still missing.

        Args:
            targets: What will be done.
            inputs: Answers given for this run.

        Raises:
            WizardError: The keyring, or the cloud's addresses, could not be determined.
        """
        answers = self._answers.in_force(inputs)
        names = dict.fromkeys(name for target in targets for name in target.step.inputs)
        asked = [INPUTS[name] for name in names if INPUTS[name].secret and INPUTS[name].asked_with(answers)]
        return tuple(each for each in asked if not self.source(each.name, inputs))

    def source(self, name: str, inputs: Mapping[str, str] | None = None) -> str:
        """Return in words where a secret's value comes from; an empty string if there is none yet.

        Raises:
            WizardError: The keyring, or the cloud's addresses, could not be determined.
        """
        each = INPUTS[name]
        # Takes precedence over the keyring, as everywhere: a variable is set on purpose, for this run.
        if variable := self._set_variable(each):
            return variable
        store = self._connection.reach().secrets
        if store.get(each.keyring_name(self._answers.in_force(inputs))) is None:
            return ""
        report = store.probe()
        return report.backend if report.persistent else "this session"

    def keep(self, name: str, value: Secret, inputs: Mapping[str, str] | None = None) -> str:
        """Put a secret into the keyring, and return what to say about it.

        Args:
            name: The input's.
            value: What the person typed.
            inputs: Answers given for this run; the secret's name depends on them.

        Raises:
            UsageError: It breaks its rule.
            WizardError: The keyring refused, or the cloud's addresses could not be determined.
        """
        from hol_wizard.services.secrets import Secret

        each = INPUTS[name]
        if problem := each.validate(value.reveal()):
            raise UsageError(problem, f"Enter the {each.label.lower()} again.")
        store = self._connection.reach().secrets
        key = each.keyring_name(self._answers.in_force(inputs))
        store.set(key, Secret.hidden(each.normalise(value.reveal())))
        report = store.probe()
        said = f"{each.label}: kept in {report.backend}, as {key}."
        if not report.persistent:
            said = f"{each.label}: kept for this session only because {report.reason}. {report.hint}".rstrip()
        if variable := self._set_variable(each):
            said += f" The variable {variable} is also set and takes precedence."
        return said
