"""Answers without a network: the clients read what a test has for them, by the way that every answer goes."""

from __future__ import annotations

import io
import json
from typing import Any

import requests
from requests.adapters import BaseAdapter

Record = dict[str, Any]
"""A recording of the contracts: `status`, `response_headers`, `response_body` and others."""


class Recorded(BaseAdapter):
    """Answers every request with one recording."""

    def __init__(self, record: Record) -> None:
        super().__init__()
        self.record = record

    def send(self, request: requests.PreparedRequest, *args: Any, **named: Any) -> requests.Response:
        """Return the recorded answer."""
        body = self.record["response_body"]
        text = body if isinstance(body, str) else "" if body is None else json.dumps(body)
        answer = requests.Response()
        answer.status_code = self.record["status"]
        answer.headers.update({name: str(value) for name, value in self.record["response_headers"].items()})
        # The recordings are text: whatever compressed or counted it on the wire is over.
        for name in ("Content-Encoding", "Transfer-Encoding", "Content-Length", "Retry-After"):
            answer.headers.pop(name, None)
        if body is not None and not isinstance(body, str):
            answer.headers["Content-Type"] = "application/json"
        answer.url, answer.request = str(request.url), request
        answer.raw = io.BytesIO(text.encode())
        return answer

    def close(self) -> None:
        """Close nothing."""
