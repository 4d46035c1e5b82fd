"""How git gets a sign-in: through its credential protocol (gitcredentials), never through its environment or arguments.

Every hook, filter and helper of the person can read git's environment. Therefore, git is configured with a helper,
`asking.py`, which asks the process that waits for this git: the wizard, or the practice cloud. That process requires
the key of this run, which is in a file that only the account may read; after git has ended, the key is no longer valid.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import shlex
import socketserver
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)
_ASKING: Final = Path(__file__).with_name("asking.py")
_SECONDS: Final = 10.0
_MOST: Final = 1 << 16
"""Maximum size of a request in bytes; git's have a few hundred."""


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Log the error, because the front end uses the terminal."""
        del request, client_address
        logger.warning("a request for the sign-in could not be answered", exc_info=True)


@contextmanager
def answering(answer: Callable[[Sequence[str]], str]) -> Iterator[str]:
    """Serve git's requests for a sign-in, and yield the setting `credential.helper` that makes git ask here.

    Args:
        answer: Returns the lines of the response for the lines of a request, `name=value`.
    """
    key = secrets.token_hex(32).encode()

    class Handler(socketserver.StreamRequestHandler):
        timeout = _SECONDS

        def handle(self) -> None:
            try:
                if hmac.compare_digest(self.rfile.readline(len(key) + 1).strip(), key):
                    request = self.rfile.read(_MOST).decode("utf-8", "replace").splitlines()
                    self.wfile.write(answer(request).encode())
            except OSError:
                # The client is gone, or sends nothing.
                return

    with (
        _Server(("127.0.0.1", 0), Handler) as server,
        tempfile.TemporaryDirectory(prefix="hol-wizard-", ignore_cleanup_errors=True) as folder,
    ):
        file = Path(folder) / "sign-in"
        file.touch(0o600)
        file.write_bytes(b"%d\n%s\n" % (server.server_address[1], key))
        serving = threading.Thread(target=server.serve_forever, args=(0.01,), name="git sign-in", daemon=True)
        serving.start()
        try:
            # -I and -S: ignore modules in git's working folder and the person's Python settings.
            words = (Path(sys.executable).as_posix(), "-I", "-S", _ASKING.as_posix(), file.as_posix())
            yield "!" + " ".join(shlex.quote(word) for word in words)
        finally:
            server.shutdown()
            serving.join()
