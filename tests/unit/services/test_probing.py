"""What declared checks look at is bounded in time, size and place."""

from __future__ import annotations

import http.server
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hol_wizard.errors import UsageError
from hol_wizard.services import transport
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.probing import MOST, Probing, problem_for_batch

PYTHON = Path(sys.executable).name


@pytest.fixture
def probing(monkeypatch: pytest.MonkeyPatch) -> Probing:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    endpoints = Endpoints.of_cloud("azure")
    return Probing(endpoints, lambda: transport.make_session(endpoints))


def test_a_command_runs_without_a_shell_and_without_the_secrets_of_this_process(
    probing: Probing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOL_WIZARD_DEVOPS_TOKEN", "canary")
    code = "import os, sys; print(sys.argv[1], os.getcwd(), 'HOL_WIZARD_DEVOPS_TOKEN' in os.environ)"
    answer = probing.run([PYTHON, "-c", code, "$(id); echo `id`"], 30, tmp_path)
    assert answer.out.strip() == f"$(id); echo `id` {tmp_path} False"
    assert answer.code == 0


def test_a_command_that_prints_without_end_is_ended(probing: Probing, tmp_path: Path) -> None:
    answer = probing.run([PYTHON, "-c", "while True: print('x' * 65536)"], 60, tmp_path)
    assert (answer.code, answer.late, answer.much) == (None, True, True)
    assert len(answer.out) <= MOST


def test_a_command_that_does_not_end_is_ended_with_what_it_started(probing: Probing, tmp_path: Path) -> None:
    code = f"import subprocess, sys; subprocess.run([{sys.executable!r}, '-c', 'import time; time.sleep(60)'])"
    answer = probing.run([PYTHON, "-c", code], 0.3, tmp_path)
    assert (answer.code, answer.late, answer.much) == (None, True, False)


def test_a_program_that_is_not_installed_is_told(probing: Probing, tmp_path: Path) -> None:
    answer = probing.run(["no-such-program-here"], 5, tmp_path)
    assert (answer.code, answer.late) == (None, False)


def test_a_batch_file_gets_no_argument_that_a_shell_would_interpret() -> None:
    assert problem_for_batch(["az", "--version"]) == ""
    assert problem_for_batch(["az", "a", "x&calc"]) == "az is a batch file here, and an argument contains '&'"
    assert problem_for_batch(["az", "%PATH%"])


def test_a_file_is_read_only_inside_its_place(probing: Probing, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (tmp_path / "outside").write_text("secret", encoding="utf-8")
    (place / "inside").write_text("x" * (MOST + 5), encoding="utf-8")
    (place / "link").symlink_to(tmp_path / "outside")
    assert probing.read(place / "none", place) is None
    assert len(probing.read(place / "inside", place) or "") == MOST
    with pytest.raises(UsageError, match="which is outside"):
        probing.read(place / "link", place)
    os.mkfifo(place / "pipe")
    with pytest.raises(UsageError, match="is not a file"):
        probing.read(place / "pipe", place)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = int(self.path[1:4])
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/200")
        self.end_headers()
        self.wfile.write((b"Authorization" in str(self.headers).encode() and b"signed in") or b"nobody")
        if self.path.endswith("long"):
            self.wfile.write(b"x" * (2 * MOST))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_an_address_is_asked_without_a_sign_in_and_a_redirect_is_an_answer(probing: Probing, site: str) -> None:
    page = probing.get(f"{site}/200")
    assert (page.status, page.text) == (200, "nobody")
    assert probing.get(f"{site}/404").status == 404
    assert probing.get(f"{site}/302").status == 302
    assert len(probing.get(f"{site}/200long").text) == MOST
