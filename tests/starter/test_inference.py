from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.starter.conftest import STARTER, Import

PERSON = {"age": 37, "hours-per-week": 40.0, "sex": "Female", "occupation": "Exec-managerial"}


@pytest.fixture
def model(starter: Import, assets: Path) -> Any:
    one = starter("inference_code.model_class").MyModel()
    one.init()
    return one


def test_a_person_gets_a_number(model: Any) -> None:
    answer = model.predict(PERSON)
    assert answer == {"estimated_wages": pytest.approx(191_000, rel=0.02)}
    assert type(answer["estimated_wages"]) is float
    assert model.predict(json.dumps(PERSON)) == model.predict(json.dumps(PERSON).encode()) == answer


def test_an_older_person_gets_another(model: Any) -> None:
    assert model.predict(PERSON | {"age": 70}) != model.predict(PERSON)


@pytest.mark.parametrize(
    ("package", "told"),
    [
        ({"hours-per-week": 40}, "no 'age'"),
        ({"age": "old", "hours-per-week": 40}, "'age' must be a number, and is old"),
        ({"age": True, "hours-per-week": 40}, "must be a number"),
        ({"age": 10**400, "hours-per-week": 40}, "must be a number, and is 1000"),
        ({"age": None, "hours-per-week": 40}, "must be a number"),
        ({"age": 37, "hours-per-week": float("nan")}, "must be a number"),
        ("[]", "JSON object"),
        ("no json", "Expecting value"),
    ],
)
def test_what_is_no_person_is_refused(model: Any, package: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        model.predict(package)


def test_a_model_that_was_not_fetched_is_missed_at_once(starter: Import, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        starter("inference_code.model_class").MyModel(tmp_path).init()


def test_score_is_one_line_over_the_model(starter: Import, model: Any) -> None:
    score = starter("score")
    score.init()
    assert score.run(json.dumps(PERSON)) == model.predict(PERSON)


def ask(application: Any, method: str, path: str, body: bytes = b"") -> tuple[str, Any]:
    told: list[str] = []
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    answer = b"".join(application(environ, lambda status, _headers: told.append(status)))
    return told[0], json.loads(answer)


def test_the_server_answers_and_refuses(starter: Import, assets: Path) -> None:
    server = starter("server")
    server.score.init()
    assert ask(server.application, "GET", "/") == ("200 OK", {"status": "healthy"})
    status, answer = ask(server.application, "POST", "/score", json.dumps(PERSON).encode())
    assert status == "200 OK"
    assert list(answer) == ["estimated_wages"]
    assert ask(server.application, "POST", "/score", b"{}") == ("400 Bad Request", {"error": "The input has no 'age'."})
    assert ask(server.application, "POST", "/score", b"\xff")[0] == "400 Bad Request"
    assert ask(server.application, "GET", "/score")[0] == "404 Not Found"
    assert ask(server.application, "POST", "/score", b"x" * (1 << 20 | 1))[0] == "413 Content Too Large"


@pytest.mark.slow
def test_the_given_tests_pass_on_a_trained_model(repository: Path, assets: Path) -> None:
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "Project_One-Tests"]
    environment = {"PYTHONPATH": str(repository / "Project_One"), "SYSTEMROOT": "C:\\Windows"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=repository, env=environment, check=False)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def test_exactly_one_test_of_the_model_is_given() -> None:
    given = (STARTER / "Project_One-Tests" / "test_model.py").read_text(encoding="utf-8")
    assert len(re.findall(r"^def test_", given, re.MULTILINE)) == 1
