"""The context of a check, a solve or an undo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hol_wizard.engine.ledger import Ledger
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.reporter import Reporter
from hol_wizard.lab.choices import Choices
from hol_wizard.lab.declared import Declared
from hol_wizard.lab.model import Environment
from hol_wizard.lab.names import EnvironmentNames, Names
from hol_wizard.lab.profile import Profile
from hol_wizard.lab.text import fill
from hol_wizard.services.context import Services


@dataclass(frozen=True, slots=True)
class StepContext:
    """Everything that a step's functions may use."""

    target: str
    """Key of the step, `section/step@environment`."""
    environment: Environment | None
    profile: Profile
    services: Services
    reads: ReadCache
    ledger: Ledger
    reporter: Reporter
    inputs: Mapping[str, str]
    """Answers given for this run, by input name."""
    agreed: frozenset[str] = frozenset()
    """Digests of the programs that the person has agreed to run on their own machine (`Change.consent`)."""
    preview: Names | None = None
    """Names to show before they are chosen; only for plans."""
    templates: Mapping[str, str] = field(default_factory=dict)
    """The arguments of the step's kind of resource from its document; placeholders are not filled in."""

    declared: Mapping[str, Declared] = field(default_factory=dict)
    """What the step's document declares instead of naming a function, by `check`, `solve` and `undo`."""
    check: str = ""
    """Registered name of the step's check."""
    asked: tuple[str, ...] = ()
    """Names of the inputs that the step asks for."""

    @property
    def names(self) -> Names:
        """The names derived from the reader's current choices."""
        return self.preview or self.profile.names

    @property
    def here(self) -> EnvironmentNames:
        """The names in the step's environment.

        Raises:
            ValueError: The step has no environment; its document lacks `for_each`.
        """
        if self.environment is None:
            raise ValueError(f"{self.target} has no environment")
        return self.names.of(self.environment)

    @property
    def arguments(self) -> Mapping[str, str]:
        """The arguments of the step's kind of resource, with the reader's own names."""
        if not self.templates:
            return {}
        values = self.names.values(self.environment)
        return {name: fill(template, values) for name, template in self.templates.items()}

    @property
    def lab_id(self) -> str:
        """The ID of this profile's lab, which marks its resources."""
        return self.profile.choices.lab_id

    def is_mark(self, value: object) -> bool:
        """Whether a description, a name or one of several tags contains this lab's mark."""
        return bool(self.lab_id) and value == self.mark

    def is_lab_id(self, value: object) -> bool:
        """Whether a tag's value is this lab's ID."""
        return bool(value) and value == self.lab_id

    @property
    def mark(self) -> str:
        """The text that marks a resource without tags: in a description or a comment."""
        return f"hol-wizard {self.lab_id}"

    @property
    def poll_interval(self) -> float:
        """Seconds between two checks of a resource that is being created."""
        return self.services.arm.poll_interval

    def answer(self, name: str) -> str:
        """Return the answer to an input: given for this run, otherwise saved, otherwise the default."""
        return self.inputs.get(name) or self.profile.settings.value(name)

    def save(self, *names: str) -> None:
        """Save the answers to these inputs if they differ from the saved ones, because later checks depend on them.

        Raises:
            UsageError: The profile's file cannot be written.
        """
        saved = Choices.load(self.profile.path)
        changed = {name: value for name in names if (value := self.inputs.get(name)) and value != getattr(saved, name)}
        if changed:
            self.profile.change(**changed)
