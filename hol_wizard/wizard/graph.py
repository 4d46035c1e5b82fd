"""The lab's targets, in its order, and their dependencies."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hol_wizard.lab import select
from hol_wizard.lab.model import Lab, Section, Target, targets_of


class Graph:
    """All targets of a lab; does not contact the cloud."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.all = tuple(target for step in lab.steps.values() for target in targets_of(step))
        self.by_key = {target.key: target for target in self.all}
        self._needs = {target.key: self._named(target, target.step.needs) for target in self.all}

    def _named(self, target: Target, names: Sequence[str]) -> tuple[str, ...]:
        needed: list[str] = []
        for need in names:
            section_id, _, step_id = need.partition("/")
            for step in self.lab.section(section_id).steps:
                if step_id and step.id != step_id:
                    continue
                same = [found for found in targets_of(step) if found.environment == target.environment]
                needed.extend(found.key for found in (same or targets_of(step)) if found.key != target.key)
        return tuple(dict.fromkeys(needed))

    def needs(self, target: Target) -> tuple[str, ...]:
        """Return the keys of the targets that must pass before this one."""
        return self._needs[target.key]

    def after(self, target: Target) -> tuple[str, ...]:
        """Return the keys of the targets that a run which also does them does before this one."""
        return self._named(target, target.step.after)

    def select(self, selectors: Sequence[str] = (), environment: str | None = None) -> tuple[Target, ...]:
        """Return the targets that the selectors name, in the lab's order; all of them if there is no selector.

        Raises:
            UsageError: A selector names nothing; the message has the nearest names.
        """
        return select.find_targets(self.lab, selectors, environment)

    def prerequisites(self, section: Section) -> tuple[Target, ...]:
        """Return everything outside a section that its steps need, in the lab's order."""
        own = tuple(target for step in section.steps for target in targets_of(step))
        return tuple(target for target in self.with_needs(own) if target.step.section != section.id)

    def with_needs(self, targets: Sequence[Target]) -> tuple[Target, ...]:
        """Return the targets and everything that they need, in the lab's order."""
        wanted: set[str] = set()
        open_keys = [target.key for target in targets]
        while open_keys:
            key = open_keys.pop()
            if key not in wanted:
                wanted.add(key)
                open_keys.extend(self._needs[key])
        return tuple(target for target in self.all if target.key in wanted)

    def dependents(self, keys: Collection[str]) -> tuple[Target, ...]:
        """Return the targets that need one of these, directly or through others, in the lab's order."""
        on = set(keys)
        found: set[str] = set()
        while more := {key for key, needs in self._needs.items() if key not in found and not on.isdisjoint(needs)}:
            found |= more
            on |= more
        return tuple(target for target in self.all if target.key in found)
