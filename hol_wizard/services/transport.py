"""The transport of all requests: one connection pool, one retry policy, one set of plain errors."""

from __future__ import annotations

import ipaddress
import platform
import time
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hol_wizard import __version__
from hol_wizard.errors import UnreachableError
from hol_wizard.services import error_rules, traffic
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.waits import retry_after
from hol_wizard.variables import proxy_trouble

if TYPE_CHECKING:
    import ssl

    import requests
    from azure.core.pipeline.policies import HTTPPolicy
    from azure.core.pipeline.transport import RequestsTransport

POOL = 32
"""Connections kept open to one host: as many as the runner has threads."""
CONNECT_SECONDS = 3.0
"""Connection timeout: a lost packet is sent again after 1 s; an address that does not respond for longer is
unreachable."""
READ_SECONDS = 30.0
"""Read timeout between two bytes of a response."""
ANSWER_SECONDS = 60.0
"""Time limit for a complete response, however slowly it arrives; a large one gets more time (`SLOWEST`)."""
SLOWEST = 8 * 1024
"""Minimum bytes per second at which a large response, such as a download, may continue."""

BUSY_WAITS = (0.4, 0.8, 1.6)
"""Seconds before further tries of a busy service that does not say how long to wait."""
PATIENCE = 20.0
"""Seconds that one request may spend waiting because the service asked for it; longer is an error."""
RECONNECT_SECONDS = 0.3
"""Seconds before the only retry of a connection that was refused or dropped."""

SAFE_TO_REPEAT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Methods that may be sent again although the first request was carried out (RFC 9110, section 9.2.2)."""

USER_AGENT = f"hol-wizard/{__version__} Python/{platform.python_version()}"


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def make_transport(endpoints: Endpoints, session: requests.Session | None = None) -> RequestsTransport:
    """Return a transport whose connections are shared by all clients of one process.

    It does not own its session, so that closing one client does not affect the others.

    Args:
        endpoints: The cloud.
        session: The connections; None for new ones.
    """
    from azure.core.pipeline.transport import RequestsTransport

    return RequestsTransport(
        session=session or make_session(endpoints),
        session_owner=False,
        connection_verify=str(endpoints.ca_bundle) if endpoints.ca_bundle else True,
        connection_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
    )


@cache
def _limited() -> type[ssl.SSLSocket]:
    """Return a class of connections that abort a response that arrives too slowly.

    A socket's timeout counts from one byte to the next, so a byte per second would keep the connection open forever.
    """
    import ssl

    class Limited(ssl.SSLSocket):
        _asked = 0.0
        _came = 0

        def sendall(self, *args: Any, **named: Any) -> None:
            self._asked, self._came = time.monotonic(), 0
            super().sendall(*args, **named)

        def recv_into(self, *args: Any, **named: Any) -> int:
            if time.monotonic() - self._asked > ANSWER_SECONDS + self._came / SLOWEST:
                raise TimeoutError(f"the answer timed out: it was not there whole after {ANSWER_SECONDS:.0f} seconds")
            count = super().recv_into(*args, **named)
            self._came += count
            return count

    return Limited


@lru_cache(maxsize=8)
def _trust(file: str, changed: int) -> ssl.SSLContext:
    """Return the TLS settings that trust the certificates in a file; `changed` distinguishes its versions."""
    del changed
    from urllib3.util.ssl_ import create_urllib3_context

    context = create_urllib3_context()
    context.sslsocket_class = _limited()
    context.load_verify_locations(file)
    return context


def make_session(endpoints: Endpoints) -> requests.Session:
    """Return a requests session with timeouts that trusts the cloud's certificates and reads them once."""
    import certifi
    import requests
    from requests.adapters import HTTPAdapter

    bundle = endpoints.ca_bundle

    class Adapter(HTTPAdapter):
        """Reads each certificate bundle once per process; requests would read it for every connection, which takes 20
        to 40 ms."""

        def __init__(self) -> None:
            super().__init__(pool_connections=POOL, pool_maxsize=POOL, max_retries=0)

        def send(self, *args: Any, **named: Any) -> requests.Response:
            # Here and not in the session: redirects and repetitions are requests, too.
            traffic.note()
            return super().send(*args, **named)

        def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
            host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
            file = certifi.where() if verify is True else verify
            if not isinstance(file, str) or not Path(file).is_file():
                return host, dict(tls)
            # A local cloud creates a new CA at each start, so the file's time counts.
            return host, {"ssl_context": _trust(file, Path(file).stat().st_mtime_ns)}

        def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
            # With our own context, the connection does not read the file again.
            if "ssl_context" not in conn.conn_kw:
                super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call] # the stubs leave it so

    class Session(requests.Session):
        def request(self, method: str | bytes, url: str | bytes, *args: Any, **named: Any) -> requests.Response:
            # MSAL sets no timeout, and without one a silent address blocks for minutes.
            if named.get("timeout") is None:
                named["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
            return super().request(method, url, *args, **named)

        def merge_environment_settings(
            self, url: str | bytes | None, proxies: Any, stream: Any, verify: Any, cert: Any
        ) -> Any:
            settings: Any = dict(super().merge_environment_settings(url, proxies, stream, verify, cert))
            if is_loopback(urlsplit(str(url)).hostname or ""):
                # An organization's proxy cannot reach this machine, and NO_PROXY is often forgotten.
                settings["proxies"] = {}
            proxy = requests.utils.select_proxy(str(url), settings["proxies"])
            if proxy and (trouble := proxy_trouble(proxy)):
                # The exceptions of the libraries would quote the value, or are not among their own classes.
                raise requests.exceptions.InvalidProxyURL(f"unusable proxy variable: {trouble}")
            if bundle is not None:
                settings["verify"] = str(bundle)
            return settings

    session = Session()
    session.mount("https://", Adapter())
    # Without `auth`, requests lets ~/.netrc overwrite the Authorization header.
    session.auth = lambda request: request
    return session


def retries() -> HTTPPolicy[Any, Any]:
    """Return the retry policy: it gives up quickly on a dead address, and is patient with a busy service.

    A refused or dropped connection is tried once more, a silent one is not. 429 and 503 are tried again as their
    Retry-After says, within `PATIENCE`. Every method is retried: all of the lab's requests can be repeated.
    """
    from azure.core.exceptions import ServiceRequestError, ServiceResponseError
    from azure.core.pipeline.policies import HTTPPolicy

    class Retries(HTTPPolicy[Any, Any]):
        def send(self, request: Any) -> Any:
            # azure-identity names the methods that may be tried again; the transport does not take that option.
            request.context.options.pop("retry_on_methods", None)
            waited, reconnected = 0.0, False
            for pause in (*BUSY_WAITS, None):
                try:
                    response = self.next.send(request)
                except (ServiceRequestError, ServiceResponseError) as error:
                    if reconnected or pause is None or not _worth_another_try(error):
                        raise
                    reconnected, wait = True, RECONNECT_SECONDS
                else:
                    status, headers = response.http_response.status_code, response.http_response.headers
                    if status not in error_rules.BUSY or pause is None:
                        return response
                    asked = retry_after(headers)
                    wait = pause if asked is None else asked
                    if waited + wait > PATIENCE:
                        return response
                time.sleep(wait)
                waited += wait
            raise AssertionError("the last try returns or raises")

    return Retries()


def proxy_of(url: str) -> str:
    """Return the proxy for an address, as `host:port` without name and password; empty if there is none."""
    import requests

    if is_loopback(urlsplit(url).hostname or ""):
        return ""
    proxies = requests.utils.get_environ_proxies(url)
    where = urlsplit(str(requests.utils.select_proxy(url, proxies) or ""))
    return where.netloc.rpartition("@")[2]


def _worth_another_try(error: Exception) -> bool:
    words = str(error).lower()
    return not any(
        sign in words
        for sign in ("timed out", "timeout", "certificate", "resolve", "getaddrinfo", "proxy", "failed to decode")
    )


def unreachable(error: BaseException, host: str) -> UnreachableError:
    """Return the plain error for a connection that failed."""
    return error_rules.of_network(str(error), host)
