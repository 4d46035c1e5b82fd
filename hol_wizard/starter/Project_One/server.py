"""The web server of the inference container: `GET /` says that it lives, `POST /score` answers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

import score

MOST_BYTES = 1 << 20
"""A person is some hundred bytes; what is longer is not read."""

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer one request (WSGI, PEP 3333)."""
    status, answer = _answer(environ)
    body = json.dumps(answer).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _answer(environ: dict[str, Any]) -> tuple[str, object]:
    asked = environ["REQUEST_METHOD"], environ.get("PATH_INFO") or "/"
    if asked == ("GET", "/"):
        return "200 OK", {"status": "healthy"}
    if asked != ("POST", "/score"):
        return "404 Not Found", {"error": "Ask POST /score, with a person as JSON."}
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > MOST_BYTES:
        return "413 Content Too Large", {"error": f"More than {MOST_BYTES} bytes."}
    try:
        return "200 OK", score.run(environ["wsgi.input"].read(length))
    except ValueError as error:
        return "400 Bad Request", {"error": str(error)}


def main() -> None:
    """Load the model, then serve until stopped."""
    from waitress import serve

    score.init()
    serve(application, host="0.0.0.0", port=int(os.environ.get("PORT", "5001")), threads=4)


if __name__ == "__main__":
    main()
