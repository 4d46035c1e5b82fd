"""A proxy for clients that throw the port of an address away and so ask every host at 443.

The legacy databricks-cli is one: of `https://127.0.0.1:40123` it keeps scheme and host name only
(databricks_cli/sdk/api_client.py, 0.18.0). With `HTTPS_PROXY` set to such a proxy it reaches a workspace of the
practice cloud all the same, unchanged and over TLS from end to end.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

_BYTES = 65536


@contextlib.contextmanager
def proxy_to(address: str) -> Iterator[dict[str, str]]:
    """Lead every `CONNECT` to one address; yields the environment variables that make a client use it.

    Args:
        address: `https://127.0.0.1:40123`, a workspace of the practice cloud.
    """
    parts = urlsplit(address)
    target = (str(parts.hostname), int(parts.port or 443))

    class Handler(socketserver.BaseRequestHandler):
        """Joins a client and the target."""

        def handle(self) -> None:
            """Answer the `CONNECT`, then carry bytes both ways until both sides have ended."""
            asked = b""
            while b"\r\n\r\n" not in asked:
                received = self.request.recv(_BYTES)
                if not received:
                    return
                asked += received
            if not asked.startswith(b"CONNECT "):
                self.request.sendall(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
                return
            with socket.create_connection(target, timeout=60) as there:
                self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_carry, args=(there, self.request), daemon=True)
                back.start()
                _carry(self.request, there)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield {"HTTPS_PROXY": url, "https_proxy": url, "NO_PROXY": "", "no_proxy": ""}
        finally:
            server.shutdown()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    # Either side may close at any time: then there is nothing more to carry.
    with contextlib.suppress(OSError):
        while data := source.recv(_BYTES):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
