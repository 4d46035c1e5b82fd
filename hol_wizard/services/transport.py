"""How every request leaves this machine: one pool of connections, one policy of retries, one set of plain errors."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

from hol_wizard import __version__
from hol_wizard.errors import UnreachableError
from hol_wizard.services.endpoints import Endpoints

if TYPE_CHECKING:
    from azure.core.pipeline.transport import RequestsTransport

POOL = 32
CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0

USER_AGENT = f"hol-wizard/{__version__} Python/{platform.python_version()}"


def make_transport(endpoints: Endpoints) -> RequestsTransport:
    """Return a transport whose connections all clients of one process share.

    It does not own its session: a client that is closed closes nothing for the others.
    """
    import requests
    from azure.core.pipeline.transport import RequestsTransport
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    adapter = HTTPAdapter(pool_connections=POOL, pool_maxsize=POOL, max_retries=0)
    session.mount("https://", adapter)
    verify: Any = str(endpoints.ca_bundle) if endpoints.ca_bundle else True
    return RequestsTransport(
        session=session,
        session_owner=False,
        connection_verify=verify,
        connection_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
    )


def retries() -> Any:
    """Return the one retry policy: soon done with a dead address, patient with a busy service.

    A refused connection is known after about a second; 429 and 503 are tried again as their Retry-After says.
    """
    from azure.core.pipeline.policies import RetryPolicy

    return RetryPolicy(
        retry_total=5, retry_connect=1, retry_read=1, retry_status=5, retry_backoff_factor=0.4, retry_backoff_max=8
    )


def unreachable(error: Exception, host: str) -> UnreachableError:
    """Return the plain error for a connection that did not come about."""
    words = str(error)
    low = words.lower()
    if "certificate_verify_failed" in low or "certificate verify failed" in low:
        message = f"The certificate of {host} is not trusted."
        hint = (
            "If a proxy of your organization looks into TLS, put its certificate into a bundle and set "
            "REQUESTS_CA_BUNDLE to that file."
        )
    elif "proxyerror" in low or "tunnel connection failed" in low or "cannot connect to proxy" in low:
        message, hint = (
            f"The proxy does not let {host} through.",
            "Look at HTTPS_PROXY and NO_PROXY, or ask your network's people.",
        )
    elif "getaddrinfo" in low or "name or service not known" in low or "nameresolution" in low or "nodename nor" in low:
        message, hint = f"The name {host} cannot be resolved.", "Look at your network and DNS, then try again."
    elif "refused" in low:
        message = f"{host} refuses the connection."
        hint = (
            "If this is the practice cloud, it was stopped: try again, the wizard starts it. Else look at your network."
        )
    elif "timed out" in low or "timeout" in low:
        message, hint = f"{host} does not answer in time.", "Look at your network, then try again."
    else:
        message, hint = f"{host} cannot be reached.", "Look at your network, then try again."
    return UnreachableError(message, hint, detail=words[:2000])
