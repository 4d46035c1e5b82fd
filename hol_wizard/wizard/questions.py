"""A question to a person, independent of how a front end asks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hol_wizard.lab.inputs import Input

if TYPE_CHECKING:
    from hol_wizard.services.secrets import Secret
    from hol_wizard.wizard.facade import Wizard


class Question:
    """One input that a person is asked for, with what the wizard knows about it."""

    def __init__(self, wizard: Wizard, asked: Input, given: Mapping[str, str] | None = None) -> None:
        """Make a question.

        Args:
            wizard: Provides the current values.
            asked: The input.
            given: Answers to earlier questions of the same conversation.
        """
        self._wizard = wizard
        self._given = dict(given or {})
        self.input = asked
        self.name = asked.name
        self.offered = "" if asked.secret else self._given.get(asked.name) or wizard.answers.value(asked.name)
        """The answer if the person does not change it; always empty for a secret."""

    def problem(self, value: str) -> str:
        """Return what is wrong with an answer; empty if it is fine."""
        return self._wizard.input_problem(self.name, value)

    def is_asked(self, answers: Mapping[str, str]) -> bool:
        """Return whether the question applies, given the answers to the other questions so far."""
        return self.input.asked_with(self._wizard.answers.in_force({**self._given, **answers}))

    def options(self) -> tuple[tuple[str, str], ...]:
        """Return the (value, label) pairs to choose from; an empty list if any text is possible. Reads the cloud.

        Raises:
            WizardError: The cloud could not be asked.
        """
        return tuple(self._wizard.answers.options(self.name))

    def preview(self, value: str) -> tuple[tuple[str, str, str], ...]:
        """Return (environment, kind, name) of everything that this prefix would create; empty for other inputs.

        Raises:
            WizardError: No names follow from it.
        """
        return tuple(self._wizard.name_preview(value)) if self.name == "prefix" else ()

    def source(self, answers: Mapping[str, str]) -> str:
        """Return where a secret's value comes from; empty if there is none yet. Reads the keyring, and may block.

        Raises:
            WizardError: The keyring, or the cloud's addresses, could not be determined.
        """
        return self._wizard.secrets.source(self.name, {**self._given, **answers})

    def keep(self, value: Secret, answers: Mapping[str, str]) -> str:
        """Put a secret into the keyring, and return what to say about it. May block.

        Raises:
            UsageError: It breaks its rule.
            WizardError: The keyring refused, or the cloud's addresses could not be determined.
        """
        return self._wizard.secrets.keep(self.name, value, {**self._given, **answers})

    def speak(self, text: str) -> str:
        """Return an error's hint as the person reads it (`Wizard.speak`)."""
        return self._wizard.speak(text)
