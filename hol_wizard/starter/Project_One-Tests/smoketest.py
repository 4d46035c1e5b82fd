"""Starts the web server of the inference container, and asks it for one prediction.

`smoketest_pipeline.sh` gives it to Python in a container of the promoted image. That shows that this image starts, has
its model, and answers through HTTP. Whether its answers are good is what the tests of the build show.

Exit codes: 0 it answered with a prediction, 1 it did not.
"""

from __future__ import annotations

import http.client
import json
import math
import os
import socket
import subprocess
import sys
import time

PERSON = {"age": 37, "hours-per-week": 40.0, "sex": "Female", "occupation": "Exec-managerial"}
START_SECONDS = 120.0
"""How long the server may take until it answers: it loads the model first."""


class SmokeTestError(Exception):
    """There is no prediction; the message says why."""


def free_port() -> int:
    """Return a port that no program listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int, method: str, path: str, body: str | None = None) -> tuple[int, str]:
    """Send a request, and return the status and the body of the response."""
    # http.client, because urllib would use a proxy from the environment.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    finally:
        connection.close()


def wait(server: subprocess.Popen[bytes], port: int) -> None:
    """Wait until the server is healthy.

    Raises:
        SmokeTestError: It has ended, or it does not answer in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SmokeTestError(f"The server ended with exit code {server.returncode}; its messages are above.")
        try:
            if ask(port, "GET", "/")[0] == 200:
                return
        except OSError:
            pass  # it does not listen yet
        time.sleep(0.2)
    raise SmokeTestError(f"The server did not answer within {START_SECONDS:.0f} seconds.")


def predict(port: int) -> float:
    """Ask for a prediction, and return it.

    Raises:
        SmokeTestError: The answer is no prediction.
    """
    status, text = ask(port, "POST", "/score", json.dumps(PERSON))
    try:
        (value,) = json.loads(text).values()
        if status == 200 and math.isfinite(value):
            return float(value)
    except (ValueError, TypeError, AttributeError):
        pass  # no JSON object with one number
    raise SmokeTestError(f"The answer is no prediction: {status} {text[:500]}")


def main() -> int:
    """Start the server, ask it, stop it, and return the exit code."""
    port = free_port()
    # Only this test is to reach it, wherever it runs.
    own = {**os.environ, "HOST": "127.0.0.1", "PORT": str(port)}
    with subprocess.Popen([sys.executable, "server.py"], env=own) as server:
        try:
            wait(server, port)
            print(f"Smoke test passed: the prediction for {json.dumps(PERSON)} is {predict(port)}", flush=True)
        except (SmokeTestError, OSError, http.client.HTTPException) as error:
            print(f"smoketest: {error}", file=sys.stderr)
            return 1
        finally:
            server.terminate()
    return 0


if __name__ == "__main__":
    sys.exit(main())
