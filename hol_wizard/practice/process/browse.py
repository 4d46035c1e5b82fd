"""The `BROWSER` of a prepared shell: signs in to the practice cloud, and opens no page of its services.

Programs start it with an address. The practice cloud's portal and pages of other hosts open in the browser. It uses
only the standard library.
"""

from __future__ import annotations

import html.parser
import http.client
import json
import os
import ssl
import subprocess
import sys
import urllib.request
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from hol_wizard import anywhere, variables
from hol_wizard.practice.process import launch
from hol_wizard.practice.process.domains import is_kept

_SIGN_IN = "login.microsoftonline.com"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def browse(state: Path, address: str) -> None:
    """Open an address as a prepared shell does.

    It never raises an error for what it cannot open, because the program would then try the next browser with the real
    page.

    Args:
        state: The practice cloud's folder.
        address: The address that a program wants to show.
    """
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        _say("this is no address that can be opened")
        return
    if host == _SIGN_IN and parts.path.lower().endswith("/oauth2/v2.0/authorize"):
        try:
            _sign_in(state, f"{parts.path}?{parts.query}")
        except (launch.LaunchError, OSError, ValueError, http.client.HTTPException) as error:
            _say(f"the sign-in did not work: {error}")
    elif is_kept(host) or _is_of_cloud(state, parts.netloc):
        _say(f"the practice cloud has no page for {parts.scheme}://{parts.netloc}{parts.path}")
    else:
        variables.leave_shell(os.environ)
        webbrowser.open(address)


def _is_of_cloud(state: Path, netloc: str) -> bool:
    """Return whether an address on this machine is the practice cloud's own; only its portal has pages."""
    endpoints = launch.read_endpoints(state) or {}
    others = [each for name, each in endpoints.items() if name != "portal" and isinstance(each, str) and "://" in each]
    return netloc in {urlsplit(each).netloc for each in others}


def _sign_in(state: Path, target: str) -> None:
    """Approve a sign-in that one of the owner's programs has started, and send the result to the program."""
    endpoints = launch.read_endpoints(state)
    if endpoints is None:
        raise launch.LaunchError("no practice cloud runs; start it: hol-wizard practice start")
    here = f"{str(endpoints['active_directory']).rstrip('/')}{target}"
    approved = launch.ControlClient(endpoints).approve(address=here)
    if approved["state"] == "pending":
        _say("the practice cloud is set so that nobody approves a sign-in: hol-wizard practice set --approval approve")
        return
    method, where, body = _outcome(endpoints, target)
    if urlsplit(where).hostname not in _LOOPBACK:
        raise ValueError("the program waits at an address that is not on this machine")
    if approved["state"] == "approved":
        _say(f"signed in to the practice cloud as {approved['user']}; no browser is needed")
    else:
        _say("the practice cloud is set to decline sign-ins: hol-wizard practice set --approval approve")
    # The program responds only after this browser has ended. The code goes through a pipe, because arguments are
    # public.
    words = [*anywhere.words("hol_wizard.practice"), "browse", "--state", str(state), "--deliver"]
    more: dict[str, Any] = {} if sys.platform == "win32" else {"start_new_session": True}
    # It continues independently.
    delivering = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
        words,
        env=variables.of_child(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **more,
    )
    if delivering.stdin is not None:
        delivering.stdin.write(json.dumps([method, where, body]).encode())
        delivering.stdin.close()
    delivering.returncode = 0


def _outcome(endpoints: Mapping[str, Any], target: str) -> tuple[str, str, str]:
    """Return the request that a browser would send to the program: method, address and body."""
    there = urlsplit(str(endpoints["active_directory"]))
    context = ssl.create_default_context(cafile=str(endpoints["ca_file"]))
    connection = http.client.HTTPSConnection(str(there.hostname), there.port, timeout=30, context=context)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        page = response.read().decode("utf-8", "replace")
    finally:
        connection.close()
    if response.status in {302, 303}:
        return "GET", str(response.headers.get("Location", "")), ""
    form = _Form()
    form.feed(page)
    if response.status != 200 or not form.action:
        raise ValueError(f"the practice cloud answered with status {response.status}")
    return "POST", form.action, urlencode(form.values)


class _Form(html.parser.HTMLParser):
    """Parses the form of a page: its target and its hidden fields."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.values: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record the form and its fields."""
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = found.get("action", "")
        elif tag == "input" and found.get("type") == "hidden":
            self.values[found.get("name", "")] = found.get("value", "")


def deliver() -> None:
    """Send the result of a sign-in, from standard input, to the program that waits for it."""
    method, where, body = json.loads(sys.stdin.read())
    request = urllib.request.Request(where, data=body.encode() if method == "POST" else None, method=method)  # noqa: S310 - `_sign_in` has seen that it is on this machine
    # Without a proxy, because it is on this machine.
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60).read()


def _say(text: str) -> None:
    sys.stderr.write(f"hol-wizard: {text}.\n")
