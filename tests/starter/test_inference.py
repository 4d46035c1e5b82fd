from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import venv
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
        ("[" * 100_000, "nested too deeply"),
        ('{"age": ' + "[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_person_is_refused(model: Any, package: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        model.predict(package)


def test_a_model_that_was_not_fetched_is_missed_at_once(starter: Import, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        starter("inference_code.model_class").MyModel(tmp_path).init()


def test_json_of_any_depth_is_refused_in_words(model: Any) -> None:
    """Reading it, and quoting it in the refusal, run into Python's limit at different depths."""
    for depth in range(1, 1500, 7):
        with pytest.raises(ValueError, match=r"nested too deeply|must be a number"):
            model.predict(f'{{"age": {"[" * depth}{"]" * depth}, "hours-per-week": 40}}')


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
    return told[0], json.loads(answer) if answer else None


def test_the_server_answers_and_refuses(starter: Import, assets: Path) -> None:
    server = starter("server")
    server.score.init()
    assert ask(server.application, "GET", "/") == ("200 OK", {"status": "healthy"})
    assert ask(server.application, "HEAD", "/") == ("200 OK", None)
    status, answer = ask(server.application, "POST", "/score", json.dumps(PERSON).encode())
    assert status == "200 OK"
    assert list(answer) == ["estimated_wages"]
    assert ask(server.application, "POST", "/score", b"{}") == ("400 Bad Request", {"error": "The input has no 'age'."})
    assert ask(server.application, "POST", "/score", b"\xff")[0] == "400 Bad Request"
    too_deep = ("400 Bad Request", {"error": "The JSON is nested too deeply."})
    assert ask(server.application, "POST", "/score", b"[" * 100_000) == too_deep
    assert ask(server.application, "GET", "/score")[0] == "404 Not Found"
    assert ask(server.application, "POST", "/score", b"x" * (1 << 20 | 1))[0] == "413 Content Too Large"


@pytest.fixture(scope="session")
def azmlinfsrv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with Azure Machine Learning's own inference server, from PyPI."""
    folder = tmp_path_factory.mktemp("azmlinfsrv")
    venv.create(folder, with_pip=False, system_site_packages=False)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    wanted = ["azureml-inference-server-http==1.5.1", "scikit-learn==1.9.1"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "uv",
            "pip",
            "install",
            "--python",
            str(python),
            "--quiet",
            "--only-binary",
            ":all:",
            *wanted,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"azureml-inference-server-http cannot be installed here: {done.stderr[-300:]}")
    return python


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_azure_machine_learning_s_own_server_answers_and_refuses(
    azmlinfsrv: Path, repository: Path, assets: Path
) -> None:
    """Its WSGI application is asked in its own process, without a port."""
    program = (
        "import json, sys\n"
        "from azureml_inference_server_http.server.create_app import create\n"
        "client = create().test_client()\n"
        "asked = json.load(sys.stdin)\n"
        "answers = [client.post('/score', data=body, content_type='application/json') for body in asked]\n"
        "told = [[each.status_code, each.get_data(as_text=True)] for each in answers]\n"
        "open('answers.json', 'w').write(json.dumps(told))\n"
    )
    bodies = [json.dumps(PERSON), "{}", "no json", "[" * 100_000]
    project = repository / "Project_One"
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": str(project),
        "AML_APP_ROOT": str(project),
        "AZUREML_ENTRY_SCRIPT": "score.py",
    }
    done = subprocess.run(
        [azmlinfsrv, "-B", "-c", program],
        input=json.dumps(bodies),
        env=environment,
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    told = json.loads((project / "answers.json").read_text(encoding="utf-8"))
    assert [status for status, _ in told] == [200, 400, 400, 400]
    assert json.loads(told[0][1])["estimated_wages"] == pytest.approx(191_000, rel=0.02)
    assert json.loads(told[1][1]) == {"error": "The input has no 'age'."}
    assert json.loads(told[3][1]) == {"error": "The JSON is nested too deeply."}


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
