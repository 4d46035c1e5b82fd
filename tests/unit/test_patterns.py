"""No text that somebody else wrote makes the wizard, the starter or the practice cloud think for ever."""

from __future__ import annotations

import faulthandler
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from hol_wizard import redaction
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.resources import training_run
from hol_wizard.resources.starter_project import NAMED
from hol_wizard.services import error_rules
from hol_wizard.services.error_rules import SERVICES, of_answer, of_network, of_sign_in, rule_for, rules
from hol_wizard.steps.subscription import allows
from tests.patterns import LENGTH, ROOT, Found, Unknown, hostile, in_source, run, say

PATIENCE = 10.0
"""Seconds for one text of 100,000 characters: it takes milliseconds where time grows with the length alone."""
SHARDS = 2

OWN_WORDS = {
    "hol_wizard/tui/guide_text.py": "reads the lab's own documents only",
}
"""Modules whose patterns never see foreign text."""
OTHERWISE = {
    "rule.code": "tried below, through `rule_for`",
    "rule.pattern": "tried below, through `rule_for` and `Input.validate`",
    "words": "constants of this module, tried below through `of_sign_in`",
    "'-?'.join(word)": "constants of this module, tried below through `Input.normalise`",
    "'^' + '-?'.join(word)": "constants of this module, tried below through `Input.normalise`",
    "pattern": "tried below, through `remedy_of`",
    r"f'^[ ]*(?:- )?{self.key}:[ ]*(\\S.*)$'": "tried below, through `Named.found`",
    "'|'.join(parts)": "escaped values, tried below through `scrub`",
    r"f'\\b(?:{groups})\\b'": "reads the lab's own documents only",
    "table.get('expect', '')": "the pattern of a lab's author, which is only compiled here",
    "given.get('path', '')": "the pattern is that of whoever owns the practice cloud",
    "fault.get('path', '')": "the pattern is that of whoever owns the practice cloud",
    "''.join(parts) + '\\\\Z'": "a file pattern of a pipeline, which is that of whoever owns the practice cloud",
    "_translated(text) + '\\\\Z'": "a branch pattern of a pipeline, likewise",
    "_translated(re.sub('\\\\*+', '*', text)) + '(?:/.*)?\\\\Z'": "a path pattern of a pipeline, likewise",
    r"re.escape(before) + '(\\d+)' + re.escape(after)": "escaped texts around digits",
    "f'[{re.escape(separators)}]'": "one character of an escaped text",
    r"f'(?<![\\w.-])(?:{known})(?![\\w-])'": "escaped names of registries",
    "pattern + '/?'": "routes see one line of a request, of which the server takes 8 KiB at most",
}
"""Patterns that only a run knows, with why they are not read from the source here."""


def tried() -> list[Found]:
    found = [each for each in in_source() if isinstance(each, Found)]
    return [each for each in found if each.place.partition(":")[0] not in OWN_WORDS]


def text_of_rules() -> Iterator[tuple[str, Callable[[], object]]]:
    for service in SERVICES:
        for rule in rules(service):
            for text in (*hostile(rule.pattern), *hostile(rule.code)):
                yield rule.pattern, lambda text=text, service=service: rule_for(service, "", text)  # type: ignore[misc]
                yield rule.code, lambda text=text, service=service: rule_for(service, text, text)  # type: ignore[misc]
    yield "an answer", lambda: of_answer("storage", 400, "<Message>" * (LENGTH // 9), "it")
    yield "an answer", lambda: of_answer("arm", 400, {"error": {"message": "namespace '" * (LENGTH // 11)}}, "it")
    yield "a sign-in", lambda: of_sign_in("AADSTS" * (LENGTH // 6))
    yield "a connection", lambda: of_network("certificate verify failed" * (LENGTH // 25), "host")


def text_of_files_and_runs() -> Iterator[tuple[str, Callable[[], object]]]:
    for each in NAMED:
        for text in hostile(rf"^[ ]*(?:- )?{each.key}:[ ]*(\S.*)$|{each.key}: x\s+#.*", re.MULTILINE):
            yield each.key, lambda each=each, text=text: each.found(text)  # type: ignore[misc]
    for pattern, _ in training_run._REMEDIES:
        for text in hostile(pattern):
            yield pattern, lambda text=text: training_run.remedy_of(text)  # type: ignore[misc]


def text_of_inputs() -> Iterator[tuple[str, Callable[[], object]]]:
    for name, each in INPUTS.items():
        for text in hostile(r"[a-z]+[0-9]+@[a-z.]+ [\w/\\-]*|[-/]+|(?:a.)+|(?:contoso-)+"):
            yield name, lambda each=each, text=text: each.validate(text)  # type: ignore[misc]


def text_to_scrub() -> Iterator[tuple[str, Callable[[], object]]]:
    redaction.remember(["aaaa", "hunter2-hunter2", "\\\\\\\\"], ["bob"])
    texts = [text for form in (*redaction.FORMS, *redaction._PLACES) for text in hostile(form.pattern.pattern)][::4]
    texts += [part * (LENGTH // len(part)) for part in ("://a:", "://", "://a@", "bob:", "aaaa", "\\", "eyJ-", "'\\")]
    for text in ('{"token": "C:' + "\\" * 44, *texts):
        yield text[:40], lambda text=text: redaction.scrub(text)  # type: ignore[misc]
    yield "a permission", lambda: allows({"actions": ["*a" * (LENGTH // 2)]}, "a" * LENGTH)
    yield "a permission", lambda: allows({"actions": ["*/" * 40 + "x"]}, "/" * LENGTH)


def attempts(group: str) -> Iterator[tuple[str, Callable[[], object]]]:
    match group:
        case "rules":
            yield from text_of_rules()
        case "files":
            yield from text_of_files_and_runs()
        case "inputs":
            yield from text_of_inputs()
        case "scrub":
            yield from text_to_scrub()
        case _:
            for found in tried()[int(group) :: SHARDS]:
                for text in hostile(found.pattern, found.flags):
                    label = f"{found.place} {found.function} {found.pattern}"
                    yield label, lambda found=found, text=text: run(found, text)  # type: ignore[misc]


@pytest.mark.slow
@pytest.mark.parametrize("group", [*map(str, range(SHARDS)), "rules", "files", "inputs", "scrub"])
def test_time_grows_with_the_length_of_a_hostile_text_and_no_faster(group: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.test_patterns", group],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=110,
    )
    tried_last = done.stdout.strip().rpartition("\n")[2]
    assert done.returncode == 0, f"{tried_last}\n{done.stderr[-2000:]}"
    assert tried_last == "all"


@pytest.mark.slow
def test_every_pattern_of_the_package_is_tried_or_its_absence_has_a_reason() -> None:
    assert len(tried()) > 100
    unknown = {each.source for each in in_source() if isinstance(each, Unknown)}
    assert unknown == OTHERWISE.keys()
    places = {each.place.partition(":")[0] for each in in_source() if isinstance(each, Found)}
    assert places >= OWN_WORDS.keys()


@pytest.mark.slow
def test_hostile_text_finds_what_takes_for_ever() -> None:
    """The texts find each of these, two that were in this package among them."""
    for pattern in (r'"token": (")(?:\\.|(?!\1).)*\1', r"(a+)+$", r"authorization:\s*(?:bearer)?\s*[^\s]+"):
        code = (
            "import re, faulthandler; from tests.patterns import hostile\n"
            "faulthandler.dump_traceback_later(1, exit=True)\n"
            f"for text in hostile({pattern!r}): re.search({pattern!r}, text)"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert "Timeout" in done.stderr, pattern


def test_a_rule_reads_the_beginning_of_a_long_text() -> None:
    assert rule_for("git", "", "TF402455 " + "x" * LENGTH) is not None
    assert len(of_sign_in("x" * LENGTH).detail) <= error_rules.READ


def test_a_value_that_was_cut_off_is_hidden_to_its_end() -> None:
    said = redaction.scrub('{"token": "C:\\\\users\\"me')
    assert said == '{"token": "***'
    assert not re.search("users|me", said)


if __name__ == "__main__":
    for label, attempt in attempts(sys.argv[1]):
        say(label)
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        attempt()
    faulthandler.cancel_dump_traceback_later()
    say("all")
