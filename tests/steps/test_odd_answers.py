"""Answers of the services in an unexpected form: no member that is missing, null or of another type is our defect.

Each step with a check is checked once on the practice cloud. Then its check and its plan get the recorded answers, each
time with another member changed. Of the thousands of changes some are picked, with the name of the step as the seed:
`HOL_WIZARD_TESTS_ODD_ANSWERS` has how many of each step; the fewer are the first of the more.
"""

from __future__ import annotations

import io
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

from hol_wizard.engine.registry import SOLVES
from hol_wizard.engine.results import Result, Status
from hol_wizard.services.containers.engine import Image
from hol_wizard.services.containers.without_container import ContainerlessWorkbench
from tests.steps.test_nothing_is_absent_by_a_foreign_answer import alone, look, steps
from tests.steps.test_nothing_is_gone_by_a_foreign_answer import Ground, ground
from tests.unit.services.test_answers import MISSING, changed

__all__ = ["ground"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ODD: tuple[object, ...] = (MISSING, None, [], ["x"], {}, "x", 5)
MOST = int(os.environ.get("HOL_WIZARD_TESTS_ODD_ANSWERS", "10"))
"""Changed answers of a step."""
STUMBLED = (
    "alternativeNames = 5",
    *(f"properties.accessPolicies = {put}" for put in ("5", "['x']")),
    *(f"properties.accessPolicies.{place}" for place in ("0 = None", "1 = None", "1 = 'x'", "0.permissions = 'x'")),
    "permissions.secrets = 5",
    "properties.metadata = 'x'",
    "properties.workspaceUrl = 5",
    "aheadCount = 'x'",
    "actions = 5",
)
"""Ends of changes that a step has once reported as a defect of the wizard; every step always gets them."""
FIRST = 2
"""Items of a list whose members are changed."""
Key = tuple[str, str]


class Recorder:
    """Keeps the answers, and gives them again, one of them changed."""

    def __init__(self) -> None:
        self.answers: dict[Key, tuple[int, dict[str, str], bytes]] = {}
        self.replays = False
        self.odd: dict[Key, bytes] = {}
        self._send = HTTPAdapter.send

    def __call__(
        self, adapter: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **named: Any
    ) -> requests.Response:
        """Answer a request; while it replays, nothing is sent."""
        key = (str(request.method), str(request.url))
        if not self.replays:
            sent = self._send(adapter, request, *args, **named)
            self.answers[key] = (sent.status_code, dict(sent.headers), sent.content)
        else:
            # A time or a continuation in the address can be another one.
            near = ((method, url) for method, url in self.answers if _place(method, url) == _place(*key))
            key = key if key in self.answers else next(near, key)
            if key not in self.answers:
                raise requests.ConnectionError("not recorded")
        status, headers, content = self.answers[key]
        answer = requests.Response()
        answer.status_code, answer.url, answer.request = status, str(request.url), request
        counted = {"content-encoding", "transfer-encoding", "content-length"}
        if key[0] == "HEAD":  # there is no body that could have another length: the length is what was asked for
            counted.remove("content-length")
        answer.headers.update({name: value for name, value in headers.items() if name.lower() not in counted})
        answer.raw = io.BytesIO(self.odd.get(key, content))
        return answer


def _place(method: str, url: str) -> tuple[str, str, str]:
    parts = urlsplit(url)
    return method, parts.netloc, parts.path


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the place of each member, also in the first items of lists."""
    members = value.items() if isinstance(value, dict) else enumerate(value[:FIRST]) if isinstance(value, list) else ()
    for key, each in members:
        yield (*path, key)
        yield from places(each, (*path, key))


def odd_answers(recorder: Recorder) -> Iterator[tuple[Key, str, bytes]]:
    for key, (_, _, content) in recorder.answers.items():
        try:
            document = json.loads(content)
        except ValueError:
            continue
        for put in (*ODD[1:], [document]):
            yield key, f"= {put!r}", json.dumps(put).encode()
        for path in places(document):
            for put in ODD:
                told = "missing" if put is MISSING else repr(put)
                yield key, f"{'.'.join(map(str, path))} = {told}", json.dumps(changed(document, path, put)).encode()


def picked(key: str, every: list[tuple[Key, str, bytes]]) -> list[tuple[Key, str, bytes]]:
    """Return the changes to try: what some step once stumbled over, and others, the same in each run."""
    shuffled = random.Random(key).sample(every, len(every))  # noqa: S311 no secret
    return [each for each in shuffled if each[1].endswith(STUMBLED)] + shuffled[:MOST]


def planned(ground: Ground, key: str) -> Result:
    """Return how the plan of a solve ends."""

    def run(target: Any, context: Any) -> None:
        SOLVES[target.step.solve].plan(context)

    return alone(ground.attendee, key, run)


@pytest.fixture
def repeatable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have recorded answers fit a later look, and look only once at what no service answers."""
    # A cluster proves with it that it has read the secrets; with another one the recorded proofs are of other values.
    monkeypatch.setattr("hol_wizard.steps.secret_reading.random", SimpleNamespace(token_hex=lambda count: "5a" * count))
    # It loads the model in another process, in a second or two; each further look would do so again.
    predict, said = ContainerlessWorkbench.predict, dict[str, Any]()

    def once(bench: ContainerlessWorkbench, clone: Path, image: Image, seconds: float) -> Any:
        if image.id not in said:
            said[image.id] = predict(bench, clone, image, seconds)
        return said[image.id]

    monkeypatch.setattr(ContainerlessWorkbench, "predict", once)


@pytest.mark.usefixtures("repeatable")
@pytest.mark.parametrize("key", list(steps()))
def test_an_answer_in_an_unexpected_form_is_never_a_defect_of_the_wizard(ground: Ground, key: str) -> None:
    (target,) = ground.attendee.wizard().targets([key])
    if not target.step.check:
        return
    if look(ground.attendee, key).status is Status.FAILED:
        assert ground.attendee.solve(key).results[key].passed
    recorder = Recorder()
    with patch.object(HTTPAdapter, "send", lambda *given, **named: recorder(*given, **named)):
        look(ground.attendee, key)
        if target.step.solve:
            planned(ground, key)
        recorder.replays = True
        every = list(odd_answers(recorder))
        unchanged = look(ground.attendee, key)
        assert unchanged.status in {Status.PASSED, Status.SKIPPED, Status.WAITING}, unchanged
        wrong: dict[str, str] = {}
        for asked, what, content in picked(key, every):
            recorder.odd = {asked: content}
            seen = [look(ground.attendee, key)]
            if target.step.solve:
                seen.append(planned(ground, key))
            for each in seen:
                if each.summary.startswith("Internal error in the wizard"):
                    wrong.setdefault(f"{each.summary} {each.detail[:200]}", f"{' '.join(asked)}: {what}")
    told = "\n".join(f"{what}: {said}" for said, what in wrong.items())
    assert not wrong, f"{MOST} of {len(every)} changed answers, seed {key!r}:\n{told}"
