"""Texts as the person reads them: with their own names, this cloud's addresses, and commands that mean this profile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from hol_wizard.engine.events import CheckFinished, Event, RunFinished, Said, WorkFinished
from hol_wizard.engine.results import Result
from hol_wizard.lab import portal
from hol_wizard.lab.model import Environment, Target
from hol_wizard.lab.text import fill
from hol_wizard.wizard.connection import Connection

_COMMAND = re.compile(r"\bhol-wizard(?= (?:solve|teardown|do|cost|doctor|ledger|--check|--resume)\b)")
"""A command, as texts and errors name it, that means one cloud and profile."""
_DEVOPS = "https://dev.azure.com"
"""As the lab's documents call it; the practice cloud has one of its own."""


class Wording:
    """Fills in texts; reads no cloud."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._profile = connection.profile

    @property
    def command(self) -> str:
        """How a command begins that is about this cloud and profile: `hol-wizard --practice`."""
        return " ".join(("hol-wizard", *self._profile.options))

    def text(self, template: str, environment: Environment | None = None) -> str:
        """Return a text of the lab with the reader's own names, and this cloud's address of Azure DevOps."""
        text = fill(template, self._profile.offered_names.values(environment))
        if (services := self._connection.services) is not None:
            text = text.replace(_DEVOPS, services.endpoints.devops)
        return self.addressed(text)

    def title(self, target: Target) -> str:
        """Return a target's title, with its environment if it has one."""
        return f"{target.step.title} ({target.environment})" if target.environment else target.step.title

    def portal_url(self, target: Target) -> str:
        """Return the portal's address of what the step is about; an empty string when there is none."""
        if not target.step.portal:
            return ""
        services = self._connection.services
        base = services.endpoints.portal if services else portal.PUBLIC
        return portal.url(target.step.portal, self._profile.offered_names, target.environment, base=base)

    def addressed(self, text: str) -> str:
        """Return a text in which the commands that look at a cloud are about this cloud and profile."""
        return _COMMAND.sub(self.command, text)

    def told(self, events: Iterator[Event]) -> Iterator[Event]:
        """Yield the events as whoever watches reads them."""
        for event in events:
            match event:
                case CheckFinished() | WorkFinished():
                    yield replace(event, result=self._result(event.result))
                case RunFinished():
                    results = {key: self._result(each) for key, each in event.results.items()}
                    yield replace(event, results=results)
                case Said():
                    yield replace(event, text=self.addressed(event.text))
                case _:
                    yield event

    def _result(self, result: Result) -> Result:
        summary, advice = self.addressed(result.summary), self.addressed(result.next_action)
        same = (summary, advice) == (result.summary, result.next_action)
        return result if same else replace(result, summary=summary, next_action=advice)
