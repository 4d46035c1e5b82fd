"""The seam to the container engine: programs with live output, what their words mean, and which workbench is used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from hol_wizard.engine.events import Event, Progressed, Said
from hol_wizard.engine.reporter import Reporter
from hol_wizard.engine.results import Result, Status
from hol_wizard.errors import (
    CancelledByUserError,
    InconclusiveError,
    NotFoundError,
    ServiceError,
    UnreachableError,
)
from hol_wizard.services.containers import build_output, following, supervisor
from hol_wizard.services.containers import engine as engine_module
from hol_wizard.services.containers.engine import Engine, Image
from hol_wizard.services.containers.following import follow
from hol_wizard.services.containers.opening import open_workbench
from hol_wizard.services.containers.with_engine import EngineWorkbench
from hol_wizard.services.containers.without_container import NOTE, NOTE_FILE, ContainerlessWorkbench
from hol_wizard.services.containers.workbench import with_note
from tests.processes import runs
from tests.unit.services.test_machine import CLIENT, SERVED, install

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake programs are shell scripts")


@pytest.fixture(autouse=True)
def no_engine_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engine_module, "DEFAULT_SOCKET", tmp_path / "no.sock")


class Watching:
    """A channel, with what it was told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.cancelled = threading.Event()
        self.reporter = Reporter("build-container/run-the-local-build", self.events.append, self.cancelled)

    @property
    def said(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Said)]

    @property
    def progress(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Progressed)]


@pytest.fixture
def watching() -> Watching:
    return Watching()


def engine(folder: Path, **scripts: str) -> Engine:
    """Return an engine over fake commands: what each prints and does, as lines of a shell script."""
    folder.mkdir(exist_ok=True)
    for name, lines in scripts.items():
        install(folder, name, lines=f"case \"$1\" in version) echo '{json.dumps(SERVED)}'; exit 0;; esac\n{lines}")
    return Engine({"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder)})


def test_each_line_is_shown_as_it_comes_without_colors_and_the_end_is_kept(tmp_path: Path, watching: Watching) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        "import sys\n"
        "print('\\x1b[32m#5 [2/7] RUN pip install\\x1b[0m')\n"
        "sys.stderr.write('half\\rwhole\\r\\n\\n')\n"
        "sys.stdout.buffer.write(b'\\xff and no end of line')\n"
        "sys.exit(7)\n"
    )
    ended = follow(
        [sys.executable, "-u", script], tmp_path, {}, watching.reporter, stage=build_output.stage, usually=60.0
    )
    assert ended.code == 7
    assert watching.said == ["#5 [2/7] RUN pip install", "half", "whole", "\ufffd and no end of line"]
    assert ended.last.splitlines() == watching.said
    assert watching.progress == ["step 2 of 7: RUN pip install"]


def test_a_flood_of_lines_is_cut_on_the_screen_and_whole_in_the_log(
    tmp_path: Path, watching: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    words = ["sh", "-c", "seq 1 5000"]
    with caplog.at_level("INFO"):
        ended = follow(words, tmp_path, {"PATH": os.environ["PATH"]}, watching.reporter)
    assert watching.said[-1] == "5000"
    assert ended.last.splitlines()[-1] == "5000"
    cut = [int(line.split()[1]) for line in watching.said if line.startswith("…")]
    assert cut
    assert sum(cut) + len(watching.said) - len(cut) == 5000
    logged = [line for record in caplog.records for line in record.getMessage().splitlines()[1:]]
    assert logged == [str(number) for number in range(1, 5001)]


def test_a_stop_ends_the_whole_group_and_says_how_to_begin_again(
    tmp_path: Path, watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "INTERRUPTED", 0.3)
    script = tmp_path / "program.sh"
    # The child of the child ignores Ctrl-C, as a program in a container may.
    script.write_text("trap '' INT\nsh -c 'trap \"\" INT TERM; echo $$; sleep 60' &\nwait\n")
    children: list[int] = []

    def stop_once_it_runs() -> None:
        while not watching.said:
            time.sleep(0.02)
        children.append(int(watching.said[0]))
        watching.cancelled.set()

    threading.Thread(target=stop_once_it_runs, daemon=True).start()
    began = time.monotonic()
    with pytest.raises(CancelledByUserError) as raised:
        follow(["sh", script], tmp_path, {"PATH": os.environ["PATH"]}, watching.reporter, stopped="Again: <solve>.")
    assert raised.value.hint == "Again: <solve>."
    assert time.monotonic() - began < 15
    deadline = time.monotonic() + 5
    while runs(children[0]):
        assert time.monotonic() < deadline, "the child still runs"
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform == "win32", reason="a killed process leaves its children there, too")
def test_a_wizard_that_is_killed_leaves_no_program_behind(tmp_path: Path) -> None:
    """Its child cleans up after Ctrl-C; the child of the child ignores it."""
    program, wizard = tmp_path / "program.py", tmp_path / "wizard.py"
    program.write_text(
        "import os, subprocess, time\n"
        "deaf = ['sh', '-c', 'trap \"\" INT TERM; sleep 60; :']\n"
        "print(os.getpid(), subprocess.Popen(deaf).pid, flush=True)\n"
        "try:\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    open('cleaned', 'w').close()\n"
    )
    wizard.write_text(
        "import sys, threading\n"
        "from pathlib import Path\n"
        "from hol_wizard.engine.reporter import Reporter\n"
        "from hol_wizard.services.containers.following import follow\n"
        "reporter = Reporter('step', lambda event: print(event.text, flush=True), threading.Event())\n"
        f"follow([sys.executable, Path({str(program)!r})], Path({str(tmp_path)!r}), {{}}, reporter)\n"
    )
    found = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen([sys.executable, wizard], stdout=subprocess.PIPE, text=True, env=found) as process:
        assert process.stdout is not None
        left = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        assert len(left) == 2
        process.kill()
    _, alive = psutil.wait_procs(left, timeout=20)
    assert alive == []
    assert (tmp_path / "cleaned").exists()


def test_output_that_a_child_keeps_open_does_not_hold_the_end_up(
    tmp_path: Path, watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_LINGER", 0.2)
    began = time.monotonic()
    ended = follow(
        ["sh", "-c", "echo done; sleep 30 & exit 0"], tmp_path, {"PATH": os.environ["PATH"]}, watching.reporter
    )
    assert (ended.code, watching.said) == (0, ["done"])
    assert time.monotonic() - began < 10


def test_a_program_that_is_not_there_is_told(tmp_path: Path, watching: Watching) -> None:
    with pytest.raises(ServiceError, match="nothing could not be started"):
        follow([tmp_path / "nothing"], tmp_path, {}, watching.reporter)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("#8 [4/9] RUN pip install", "step 4 of 9: RUN pip install"),
        ("#8 [builder  4/9] RUN x", "step 4 of 9: RUN x"),
        ("Step 3/11 : COPY score.py ./", "step 3 of 11: COPY score.py ./"),
        ("STEP 3/11: COPY score.py ./", "step 3 of 11: COPY score.py ./"),
        ("#4 sha256:0a 10.49MB / 29.12MB 0.3s", "downloading the base image: 10.49MB of 29.12MB"),
        ("Fetching version 3 into assets", "Fetching version 3 into assets"),
        ("#8 12.3 Collecting numpy", ""),
    ],
)
def test_how_far_a_build_is(line: str, told: str) -> None:
    assert build_output.stage(line) == told


@pytest.mark.parametrize(
    ("last", "told", "advice"),
    [
        ("write /var/lib/docker/x: no space left on device", "disk of the container engine is full", "system df"),
        ("toomanyrequests: You have reached your pull rate limit.", "limits downloads", "docker login"),
        (
            "ERROR: Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?",
            "not running",
            "Start",
        ),
        (
            "ERROR: BuildKit is enabled but the buildx component is missing.",
            "buildx, is not",
            "docker-buildx",
        ),
        (
            'error getting credentials - err: exec: "docker-credential-desktop": executable file not found in $PATH',
            "name docker-credential-desktop, which is not installed",
            "remove credsStore",
        ),
        (
            "ERROR: failed to update builder last activity time: open /root/.docker/buildx/a/.tmp-1: permission denied",
            "may not use /root/.docker/buildx/a/.tmp-1",
            "~/.docker",
        ),
        (
            'context "colima": context not found: open /x: no such file',
            "context colima does",
            "docker context",
        ),
        ("exec /usr/local/bin/python: exec format error", "cannot run images", "PLATFORM=linux/arm64"),
        ("dockerfile:9\n   9 | >>> RUNN x\nERROR: unknown instruction: RUNN", "cannot read the dockerfile", "git diff"),
        ("dockerfile parse error line 9: unknown instruction: RUNN", "cannot read the dockerfile", "git diff"),
        ('failed to compute cache key: ref: "/nothing.py": not found', "is not there (/nothing.py)", "COPY lines"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "hash", "requirements.in"),
        ("ERROR: No matching distribution found for numpy==99", "no package numpy==99", "requirements.in"),
        (
            "python:3.9: failed to resolve source metadata for docker.io/python:3.9",
            "base image",
            "docker pull",
        ),
        ('process "/bin/sh -c false" did not complete successfully: exit code: 1', "a command of the", "dockerfile"),
        ("The command '/bin/sh -c false' returned a non-zero code: 1", "a command of the", "dockerfile"),
        ("runbuild: There is no model worst_regression with state=dev", "not in the registry", "<first train"),
        ("runbuild: assets holds mine.txt, which was not fetched.", "Project_One/assets", "Move them"),
        (
            "runbuild: 403. It needs the role AzureML Data Scientist on x.",
            "registry of models",
            "role",
        ),
        ("runbuild: Not set: AUTHOR.", "Not set: AUTHOR.", "Try it."),
        ("", "it printed nothing", "Try it."),
    ],
)
def test_each_failure_has_its_cause_and_its_remedy(last: str, told: str, advice: str) -> None:
    error = build_output.failure("The image was not built", f"#1 DONE\n{last}\n" if last else "", "Try it.")
    assert error.message.startswith("The image was not built: ")
    assert told in error.message
    assert advice in error.hint


def test_the_engine_s_own_reason_counts_more_than_what_was_printed_last(tmp_path: Path, watching: Watching) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    install(folder, "docker", out=json.dumps(CLIENT), err="Cannot connect to the Docker daemon", code=1)
    bench = EngineWorkbench(Engine({"PATH": str(folder), "HOME": str(tmp_path)}))
    clone = tmp_path / "clone" / "Project_One"
    clone.mkdir(parents=True)
    (clone / "build.py").write_text("raise SystemExit('something else')\n")
    with pytest.raises(ServiceError) as raised:
        bench.build(clone.parent, {}, "lab", watching.reporter)
    assert "The Docker engine is not running" in raised.value.message


def test_podman_is_used_where_there_is_no_docker(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    told = json.dumps({"Client": {"Version": "5.4.0", "OsArch": "linux/amd64"}})
    install(folder, "podman", lines=f"echo '{told}'; exit 0")
    found = Engine({"PATH": str(folder), "HOME": str(tmp_path)})
    assert found.command == "podman"
    assert found.probe().engine == "5.4.0 (Podman)"


def test_an_image_is_read_and_absence_needs_the_engine_s_word(tmp_path: Path) -> None:
    about = {"Id": "sha256:1", "Os": "linux", "Architecture": "amd64", "Config": {"Labels": {"a": "b"}, "Cmd": ["x"]}}
    there = engine(tmp_path / "there", docker=f"echo '{json.dumps([about])}'; exit 0")
    assert there.image("a:b") == Image("a:b", "sha256:1", {"a": "b"}, "linux/amd64", ("x",))
    for words in ("Error: No such image: a:b", "Error: a:b: image not known"):
        assert engine(tmp_path / "absent", docker=f"echo '{words}' >&2; exit 1").image("a:b") is None
    with pytest.raises(ServiceError, match="image inspect failed: something"):
        engine(tmp_path / "other", docker="echo something >&2; exit 1").image("a:b")
    with pytest.raises(InconclusiveError):
        engine(tmp_path / "odd", docker="echo []; exit 0").image("a:b")


def test_without_an_engine_only_a_cloud_for_practice_has_a_workbench(tmp_path: Path) -> None:
    none = Engine({"PATH": str(tmp_path), "HOME": str(tmp_path)})
    with pytest.raises(UnreachableError) as raised:
        open_workbench(none, None)
    assert raised.value.hint
    bench = open_workbench(none, tmp_path / "python")
    assert bench.note == NOTE
    passed = with_note(Result(Status.PASSED, "It is built."), bench)
    assert passed.summary == "It is built (practiced without a container)."
    served = engine(tmp_path / "bin", docker="exit 0")
    assert open_workbench(served, tmp_path / "python").note == ""


def test_without_its_python_the_practice_says_how_to_get_it(tmp_path: Path, watching: Watching) -> None:
    bench = ContainerlessWorkbench(tmp_path / "python")
    with pytest.raises(NotFoundError, match="not installed on this machine"):
        bench.predict(tmp_path, Image("a", "b", {}), 5)
    with pytest.raises(NotFoundError, match="not installed on this machine"):
        bench.run_tests(tmp_path, "abc", watching.reporter)


def test_a_note_that_cannot_be_read_is_no_absence(tmp_path: Path) -> None:
    bench = ContainerlessWorkbench(Path(sys.executable))
    assert bench.image(tmp_path, "a:b") is None
    file = tmp_path / NOTE_FILE
    file.parent.mkdir(parents=True)
    file.write_text("{")
    with pytest.raises(InconclusiveError, match="cannot be read"):
        bench.image(tmp_path, "a:b")
    about = {"name": "a:b", "id": "sha256:1", "labels": {"x": "y"}, "files": {"score.py": "0"}}
    file.write_text(json.dumps(about))
    found = bench.image(tmp_path, "a:b")
    assert found == Image("a:b", "sha256:1", {"x": "y"})
    assert bench.image(tmp_path, "c:d") is None
    assert bench.files(tmp_path, found) == {"score.py": "0"}
    assert bench.tested(tmp_path) == ""
    file.write_text(json.dumps({**about, "tested_image_id": "sha256:1"}))
    assert bench.tested(tmp_path) == "sha256:1"
    bench.remove(tmp_path, found, "lab")
    assert bench.image(tmp_path, "a:b") is None


def test_the_trial_request_is_sent_inside_the_container_wherever_the_engine_is(tmp_path: Path) -> None:
    record = tmp_path / "record"
    asked = f'echo "$*" >> {record}\ncase "$1" in exec) printf "200\\n{{\\"estimated_wages\\": 5}}\\n";; esac; exit 0'
    bench = EngineWorkbench(engine(tmp_path / "bin", docker=asked))
    image = Image("a:b", "sha256:1", {}, "linux/amd64", ("python", "server.py"))
    assert bench.predict(tmp_path, image, 5) == {"estimated_wages": 5}
    started, sent, *_, removed = record.read_text(encoding="utf-8").splitlines()
    assert started.startswith("run --detach --rm --name hol-wizard-ask-")
    assert "publish" not in started, "it would be published on the engine's machine"
    assert started.endswith("sha256:1 timeout --signal=INT 90 python server.py")
    assert sent.startswith("exec hol-wizard-ask-")
    assert removed.startswith("rm --force hol-wizard-ask-")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("printf '500\\nboom'; exit 0", "answers 500 to a request: boom"),
        ("printf '200\\nno JSON'; exit 0", "does not answer with JSON"),
        ("printf -- '-\\nConnection refused'; exit 0", "does not answer in time"),
        ("echo 'container x is not running' >&2; exit 1", "ended right after it was started"),
    ],
)
def test_what_a_container_answers_wrongly_is_told(tmp_path: Path, said: str, told: str) -> None:
    asked = f'case "$1" in exec) {said};; container) echo false;; esac; exit 0'
    bench = EngineWorkbench(engine(tmp_path / "bin", docker=asked))
    with pytest.raises(ServiceError, match=told):
        bench.predict(tmp_path, Image("a:b", "sha256:1", {}), 0.5)
