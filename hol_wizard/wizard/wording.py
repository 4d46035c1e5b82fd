"""Texts as the person reads them: with their own names, this cloud's addresses, and commands for this profile."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from hol_wizard.engine.events import CheckFinished, Event, RunFinished, Said, WorkFinished
from hol_wizard.engine.results import Result
from hol_wizard.lab import portal
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.lab.model import Environment, Target
from hol_wizard.lab.names import UNKNOWN_NAME, Names
from hol_wizard.lab.profile import command_of
from hol_wizard.lab.references import Speech, verb_of
from hol_wizard.lab.text import fill
from hol_wizard.wizard.connection import Connection
from hol_wizard.wizard.graph import Graph

SIGN_IN_CHECK = "set_up.signed_in"
"""The check that finds out who is signed in."""


class Wording:
    """Fills in texts; does not contact the cloud."""

    def __init__(self, connection: Connection, graph: Graph) -> None:
        self._connection = connection
        self._profile = connection.profile
        self._sections = graph.lab.sections
        self._lab = str(graph.lab.folder or "")
        self._titles = {key: step.title for key, step in graph.lab.steps.items()}
        self._verbs = {key: verb_of(step) for key, step in graph.lab.steps.items()}
        self.commands = False
        """Whether the reader pastes commands instead of going to a step on a screen."""

    @property
    def command(self) -> str:
        """The beginning of a command for this cloud and profile: `hol-wizard --practice`."""
        return command_of(self._profile.cloud, self._profile.name, self._lab)

    def text(self, template: str, environment: Environment | None = None) -> str:
        """Return a text of the lab with the reader's own names, and this cloud's address of Azure DevOps."""
        values = self.names.values(environment)
        if UNKNOWN_NAME.search("".join(values.values())):
            values = {name: self.explained(value) for name, value in values.items()}
        text = fill(template, values)
        return self.speak(text)

    @property
    def names(self) -> Names:
        """The names, or those that would result from the defaults, and who is signed in."""
        return replace(self._profile.offered_names, user=self._connection.known_user)

    def explained(self, text: str) -> str:
        """Return a text in which each unknown name says where it becomes known."""
        return UNKNOWN_NAME.sub(self._why, text)

    def _why(self, unknown: re.Match[str]) -> str:
        """Return a text for an unknown name that says where it becomes known: `[prefix: choose it in section 1]`."""
        name = unknown[1] or "suffix"
        label = name.replace("_", " ").replace("devops", "Azure DevOps")
        how = "sign in" if name == "user" else "choose it" if name in INPUTS else "choose the subscription"
        chosen = name if name in INPUTS else "subscription"
        number = next(
            (
                section.number
                for section in self._sections
                for step in section.steps
                if (step.check == SIGN_IN_CHECK if name == "user" else chosen in step.inputs)
            ),
            1,
        )
        return f"[{label}: {how} in section {number}]"

    def next_step(self, target: Target) -> str:
        """Return a sentence that names the step to continue with: its place on a screen, or the command for it."""
        where = f" ({target.environment})" if target.environment else ""
        title = f"“{self.text(target.step.title, target.environment)}”{where}"
        if not self.commands:
            number = next(section.number for section in self._sections if section.id == target.step.section)
            return f"Next step: {title} in section {number}."
        if target.step.solve:
            return f"Next step: {title}. Run: {self.command} solve {target.key}"
        if target.step.confirm:
            return f"Next step: {title}, which only you can judge. Then run: {self.command} confirm {target.key}"
        by_hand = f"Next step: {title}, by hand."
        return f"{by_hand} Then run: {self.command} --check {target.key}" if target.step.check else by_hand

    def portal_url(self, target: Target) -> str:
        """Return the portal's address for the step's resource; an empty string if there is none."""
        if not target.step.portal:
            return ""
        services = self._connection.services
        base = services.endpoints.portal if services else portal.PUBLIC
        token = services.endpoints.portal_token if services else None
        return portal.url(
            target.step.portal, self.names, target.environment, base=base, token=token.reveal() if token else ""
        )

    @property
    def _speech(self) -> Speech:
        practice = self._profile.cloud == "practice"
        return Speech(self._titles, self.command, practice=practice, commands=self.commands, verbs=self._verbs)

    def speak(self, text: str, target: str = "") -> str:
        """Return a text of code or of an error rule in the reader's terms (`hol_wizard.lab.references`).

        Args:
            text: A message, a hint, a next action.
            target: Key of the target that the text is about.
        """
        return self._speech.resolve(text, target)

    def spoken(self, key: str, result: Result) -> Result:
        """Return a target's result in the reader's terms."""
        return _spoken(key, result, self._speech)

    def told(
        self,
        events: Iterator[Event],
        looks: Mapping[str, str] | None = None,
        steps: Mapping[str, str] | None = None,
    ) -> Iterator[Event]:
        """Yield the events with texts in the reader's terms.

        Args:
            events: The run's events.
            looks: Titles of checks that are not steps of the lab, by key.
            steps: Keys of the steps that do what such checks ask for, by the check's key.
        """
        speech = replace(self._speech, looks=looks or {}, steps=steps or {})
        for event in events:
            match event:
                case CheckFinished() | WorkFinished():
                    yield replace(event, result=_spoken(event.target, event.result, speech))
                case RunFinished():
                    results = {key: _spoken(key, each, speech) for key, each in event.results.items()}
                    yield replace(event, results=results)
                case Said():
                    yield replace(event, text=speech.resolve(event.text, event.target))
                case _:
                    yield event


def _spoken(key: str, result: Result, speech: Speech) -> Result:
    # The text of a blocked step is about its cause.
    about = result.blocked_by or key
    summary, advice = speech.resolve(result.summary, about), speech.resolve(result.next_action, about, key)
    same = (summary, advice) == (result.summary, result.next_action)
    return result if same else replace(result, summary=summary, next_action=advice)
