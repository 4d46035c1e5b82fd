"""Finds the sections and steps that a person means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hol_wizard.errors import UsageError
from hol_wizard.lab.model import Environment, Lab, Section, Step, Target, targets_of
from hol_wizard.lab.text import nearest


def _numbered(section: Section) -> str:
    return f"{section.number} {section.id} ({section.title})"


def _by_id_or_number(lab: Lab, text: str) -> Section | None:
    folded = text.strip().casefold()
    for section in lab.sections:
        if section.id == folded or (folded.isdecimal() and section.number == int(folded)):
            return section
    return None


def find_section(lab: Lab, text: str) -> Section:
    """Return the section that a person means.

    Args:
        lab: The lab.
        text: Its ID, its number, its title, or a unique part of its title or ID.

    Raises:
        UsageError: No section matches, with the nearest names; or several match, with all of them.
    """
    folded = " ".join(text.split()).casefold()
    if found := _by_id_or_number(lab, folded):
        return found
    exact = [section for section in lab.sections if section.title.casefold() == folded]
    part = exact or [section for section in lab.sections if folded in section.title.casefold()]
    part = part or [section for section in lab.sections if folded in section.id]
    if not folded:
        part = []
    if len(part) == 1:
        return part[0]
    if part:
        raise UsageError(
            f"Several sections have `{text}` in their title: {', '.join(map(_numbered, part))}.",
            f"Name one by its ID or number: --resume {part[0].id}",
        )
    words = {section.title.casefold(): section for section in lab.sections}
    words |= {word: section for section in reversed(lab.sections) for word in section.title.casefold().split()}
    words |= {section.id: section for section in lab.sections}
    near = nearest(folded, words)
    meant = f" Did you mean {_numbered(words[near])}?" if near else ""
    raise UsageError(
        f"There is no section `{text}`.{meant}",
        f"The sections are: {', '.join(f'{section.number} {section.id}' for section in lab.sections)}.",
    )


def find_targets(lab: Lab, selectors: Sequence[str] = (), environment: str | None = None) -> tuple[Target, ...]:
    """Return the targets that some selectors mean, in the lab's order, each once.

    Steps without an environment are included, regardless of the requested environment.

    Args:
        lab: The lab.
        selectors: Each is a section's ID or number, `section/step`, or a step's ID if it is unique; `@environment`
            after it selects only that one. No selector means the whole lab.
        environment: Only this environment.

    Raises:
        UsageError: Selectors that match nothing; all of them, with the nearest names.
    """
    wrong: list[str] = []
    only = _environment(environment, "--environment", wrong) if environment else None
    chosen: set[str] = set()
    every = [target for section in lab.sections for step in section.steps for target in targets_of(step)]
    for selector in selectors:
        chosen |= {target.key for target in _selected(lab, selector, only, wrong)}
    if wrong:
        raise UsageError("\n".join(wrong), "`hol-wizard --list` shows all sections and steps.")
    found = [target for target in every if target.key in chosen] if selectors else every
    return tuple(target for target in found if only is None or target.environment in (None, only))


def _environment(text: str, source: str, wrong: list[str]) -> Environment | None:
    try:
        return Environment(text.strip().casefold())
    except ValueError:
        near = nearest(text.casefold(), Environment)
        meant = f" Did you mean {near}?" if near else ""
        wrong.append(f"{source}: there is no environment `{text}`; there are {', '.join(Environment)}.{meant}")
        return None


def _selected(lab: Lab, selector: str, only: Environment | None, wrong: list[str]) -> Iterable[Target]:
    text, at, suffix = selector.strip().partition("@")
    environment = _environment(suffix, selector, wrong) if at else None
    if at and environment is None:
        return ()
    if environment and only and environment is not only:
        wrong.append(f"{selector}: contradicts --environment {only}.")
        return ()
    steps = _steps(lab, text, selector, wrong)
    found = [target for step in steps for target in targets_of(step)]
    wanted = environment or only
    kept = [target for target in found if wanted is None or target.environment in (None, wanted)]
    if at and not any(target.environment for target in kept) and found:
        places = dict.fromkeys(str(target.environment) for target in found if target.environment)
        told = f"only to {', '.join(places)}" if places else "to no environment"
        wrong.append(f"{selector}: {text} belongs {told}.")
        return ()
    if found and not kept:
        places = dict.fromkeys(str(target.environment) for target in found)
        wrong.append(f"{selector}: {text} belongs only to {', '.join(places)}, and --environment {only} was asked for.")
    return kept


def _steps(lab: Lab, text: str, selector: str, wrong: list[str]) -> Sequence[Step]:
    before, slash, slug = text.partition("/")
    if slash:
        section = _by_id_or_number(lab, before)
        if section is None:
            wrong.append(_unknown(selector, f"there is no section `{before}`", before, _section_words(lab)))
            return ()
        own = [step for step in section.steps if step.id == slug.casefold()]
        if not own:
            words = [step.id for step in section.steps]
            wrong.append(_unknown(selector, f"{section.id} has no step `{slug}`", slug, words, f"{section.id}/"))
        return own
    if section := _by_id_or_number(lab, text):
        return section.steps
    named = [step for step in lab.steps.values() if step.id == text.casefold()]
    if len(named) > 1:
        wrong.append(f"{selector}: several steps have this name: {', '.join(step.key for step in named)}.")
        return ()
    if not named:
        words = [*_section_words(lab), *(step.id for step in lab.steps.values())]
        wrong.append(_unknown(selector, f"there is no section or step `{text}`", text, words))
    return named


def _section_words(lab: Lab) -> list[str]:
    return [section.id for section in lab.sections]


def _unknown(selector: str, said: str, word: str, words: Iterable[str], before: str = "") -> str:
    near = nearest(word.casefold(), words)
    return f"{selector}: {said}.{f' Did you mean {before}{near}?' if near else ''}"
