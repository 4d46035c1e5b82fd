"""A TLS server of one file that knows ranges, and breaks off, changes the file or refuses as a test says."""

from __future__ import annotations

import http.server
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.unit.services.tls_server import listening


@dataclass
class Source:
    """What the server hands out, and what it was asked."""

    base: str
    bundle: Path
    """Certificates to trust."""
    content: bytes = b""
    etag: str = '"one"'
    modified: str = ""
    status: int = 200
    ranges: bool = True
    breaks: list[int] = field(default_factory=list)
    """After how many bytes the next answers break off."""
    asked: list[dict[str, str]] = field(default_factory=list)
    location: str = ""
    length: str = ""
    """What is said of the length, in the place of what is true."""

    @property
    def url(self) -> str:
        return f"{self.base}/file"


@contextmanager
def serving_file(folder: Path) -> Iterator[Source]:
    """Run one; its CA lies in the folder."""
    bundle = folder / "source-ca.pem"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(dict(self.headers.items()))
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", found.location)
                self.end_headers()
                return
            start, wanted = 0, self.headers.get("Range", "")
            same = self.headers.get("If-Range") in (found.etag, found.modified)
            status = found.status
            if status == 200 and wanted and found.ranges and same:
                start, status = int(wanted.removeprefix("bytes=").rstrip("-")), 206
            if status == 206 and start >= len(found.content):
                status, start = 416, len(found.content)
            self.send_response(status)
            self.send_header("Content-Length", found.length or str(len(found.content) - start))
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{len(found.content) - 1}/{len(found.content)}")
            for name, value in (("ETag", found.etag), ("Last-Modified", found.modified)):
                if value:
                    self.send_header(name, value)
            self.end_headers()
            end = start + found.breaks.pop(0) if found.breaks and status < 300 else None
            self.wfile.write(found.content[start:end])
            if end is not None:
                self.wfile.flush()
                self.connection.close()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 http.server's own name
            pass

    with listening(Handler, bundle) as base:
        found = Source(base, bundle)
        yield found
