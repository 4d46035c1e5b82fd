"""The web server of the inference container: `GET /` reports its health, `POST /score` answers."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterable
from typing import Any

import score

MOST_BYTES = 1 << 20
"""A person's data takes a few hundred bytes. A longer request is refused."""

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer one request (WSGI, PEP 3333)."""
    status, answer = _answer(environ)
    body = json.dumps(answer).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    # The response to HEAD is the response to GET without its body (RFC 9110, 9.3.2).
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _answer(environ: dict[str, Any]) -> tuple[str, object]:
    method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO") or "/"
    if path == "/" and method in ("GET", "HEAD"):
        return "200 OK", {"status": "healthy"}
    if (method, path) != ("POST", "/score"):
        return "404 Not Found", {"error": "Send POST /score with a person as JSON."}
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > MOST_BYTES:
        return "413 Content Too Large", {"error": f"The request has more than {MOST_BYTES} bytes."}
    try:
        return "200 OK", score.run(environ["wsgi.input"].read(length))
    except ValueError as error:
        return "400 Bad Request", {"error": str(error)}


def main() -> None:
    """Load the model, then serve until stopped."""
    from waitress import serve

    # In a container this is process 1, which a signal does not end unless there is a handler: `docker stop` would wait
    # for ten seconds and then kill it.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, _stop)
    score.init()
    serve(application, host=os.environ.get("HOST", "0.0.0.0"), port=int(os.environ.get("PORT", "5001")), threads=4)


def _stop(_signal: int, _frame: object) -> None:
    """End with exit code 0; waitress lets requests in progress finish, for at most five seconds."""
    raise SystemExit(0)


if __name__ == "__main__":
    main()
