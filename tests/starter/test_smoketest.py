"""The smoke test of the release asks a server through HTTP, and says why it got no prediction."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.starter.conftest import STARTER

SERVER = """import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, b"{}")

    def do_POST(self):
        assert self.path == "/score"
        assert b"hours-per-week" in self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(STATUS, ANSWER)

    def answer(self, status, body):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


def asked(folder: Path, server: str) -> subprocess.CompletedProcess[str]:
    """Run the smoke test as `python - < smoketest.py` does in a container, whose folder has this server."""
    (folder / "server.py").write_text(server, encoding="utf-8")
    program = (STARTER / "Project_One-Tests" / "smoketest.py").read_text(encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-"], input=program, cwd=folder, check=False, capture_output=True, text=True, timeout=60
    )


def test_a_prediction_passes(tmp_path: Path) -> None:
    done = asked(tmp_path, f"STATUS, ANSWER = 200, b'{{\"estimated_wages\": 12.5}}'\n{SERVER}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Smoke test passed: ")
    assert done.stdout.endswith(" is 12.5\n")


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (400, b'{"error": "no age"}'),
        (500, b'{"estimated_wages": 1.0}'),
        (200, b'{"estimated_wages": NaN}'),
        (200, b'{"estimated_wages": "12"}'),
        (200, b"{}"),
        (200, b"[1.0]"),
        (200, b"<html>"),
    ],
)
def test_anything_else_fails_and_is_shown(tmp_path: Path, status: int, answer: bytes) -> None:
    done = asked(tmp_path, f"STATUS, ANSWER = {status}, {answer!r}\n{SERVER}")
    assert done.returncode == 1
    assert f"smoketest: The answer is no prediction: {status} {answer.decode()}" in done.stderr


def test_a_server_that_does_not_start_fails(tmp_path: Path) -> None:
    done = asked(tmp_path, "raise SystemExit('there is no model')")
    assert done.returncode == 1
    assert done.stderr == "there is no model\nsmoketest: The server ended with exit code 1; its messages are above.\n"
