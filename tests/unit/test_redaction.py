from __future__ import annotations

import base64
import json
import logging
import sys
from collections.abc import Iterator
from re import _parser as parser  # type: ignore[attr-defined] # as in tests/patterns.py
from urllib.parse import quote

import pytest

from hol_wizard import log, redaction, variables
from hol_wizard.engine.events import Event, Progressed, Said
from hol_wizard.engine.reporter import Reporter
from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.engine.runner import result_of
from hol_wizard.errors import ServiceError
from hol_wizard.services.secrets import Secret
from hol_wizard.variables import proxy_trouble
from tests.patterns import samples

CANARY = "canary7-Zq"


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    redaction.forget_all()
    yield
    redaction.forget_all()


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("http://bob:hunter2@proxy:80", "Failed to parse: http://bob:hunter2@proxy:80"),
        ("http://bob:hunter2@proxy:80", "Proxy-Authorization: Basic " + base64.b64encode(b"bob:hunter2").decode()),
        ("bob:hunter2@proxy", "bad address bob:hunter2@proxy"),
        ("http://bob:hun/ter2@proxy:80", "Failed to parse: 'bob:hun' is not a valid host or port"),
        ("http://bob:hun#ter2@proxy:80", "nonnumeric port: 'hun'"),
        ("http://bob:h#ter2@proxy:80", "Port could not be cast to integer value as 'h'"),
        ("http://bob:hun[ter2@proxy:80", "netloc 'bob:hun[ter2@proxy:80' is wrong, near ter2"),
        ("http://bob:hunter%32@proxy:80", "407 for bob:hunter2"),
        ("http://bob:hunter%32@proxy:80", "407 for bob:hunter%32"),
        ("http://bob:hünter2@proxy", "'bob:h%C3%BCnter2'"),
        ("http://bob:hunter2", "invalid port 'hunter2'"),
        ("http://hunter2@proxy:80", "unknown user hunter2"),
        ("socks5://bob:hunter2@proxy:1080", "SOCKS5 authentication failed for bob/hunter2"),
        ("http://corp%5Cbob:hun%40ter2@proxy", "the proxy said: hun@ter2"),
        ("http://bob:hun\\ter2@proxy", json.dumps({"proxy": "http://bob:hun\\ter2@proxy"})),
    ],
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "http_proxy", "ALL_PROXY"])
def test_no_part_of_a_proxys_sign_in_is_said(name: str, value: str, quoted: str) -> None:
    variables.hide({name: value})
    for said in (
        ServiceError(quoted, quoted, detail=quoted).message,
        result_of(ServiceError("x", "y", detail=quoted)).detail,
        result_of(ValueError(quoted)).detail,
        Result(Status.FAILED, quoted).summary,
        Expectation("Proxy", "one", quoted, met=False).actual,
    ):
        assert redaction.HIDDEN in said
        for piece in ("hunter2", "hun", "ter2", "hünter2", "%C3%BCnter2", "hunter%32", "Ym9iOmh1bnRlcjI"):
            assert piece.lower() not in said.lower()


def test_the_name_before_a_password_is_hidden_in_foreign_words_only() -> None:
    variables.hide({"HTTPS_PROXY": "http://bob:hunter2@proxy:80"})
    assert "bob" not in redaction.scrub("the proxy does not know bob")
    assert redaction.redact("The branch bob is pushed.") == "The branch bob is pushed."


def test_a_proxy_in_no_proxy_is_hidden_and_hosts_stay() -> None:
    variables.hide({"no_proxy": "localhost,.contoso.com,http://bob:hunter2@proxy"})
    assert redaction.scrub("localhost .contoso.com hunter2") == "localhost .contoso.com ***"


def test_variables_with_a_secret_are_known_by_their_names() -> None:
    variables.hide(
        {"ARM_CLIENT_SECRET": CANARY, "MY_PASSWORD": "pass-word-1", "X_TOKEN": "true", "AZURE_TOKEN_FILE": "/a/file"}
    )
    said = redaction.redact(f"{CANARY} pass-word-1 true /a/file {quote(CANARY)}")
    assert said == "*** *** true /a/file ***"


def test_a_password_in_any_address_of_the_environment_is_hidden() -> None:
    variables.hide({"INDEX_URL": "https://build:s3cr3t-one@packages.example/simple"})
    assert "s3cr3t-one" not in redaction.redact("401 for build with s3cr3t-one")


@pytest.mark.parametrize(
    "text",
    [
        "https://contoso@dev.azure.com/contoso/_git/hol",
        "https://graph.microsoft.com/v1.0/users/alex@contoso.com",
        "https://127.0.0.1:8443/users/alex@contoso.com",
        "https://login.microsoftonline.com/common?login_hint=alex@contoso.com",
        "Key vault secret: sp-password is there.",
        "Secret scope: data-lake",
        "",
    ],
)
def test_our_own_words_stay(text: str) -> None:
    assert redaction.redact(text) == text


def test_a_secret_that_was_given_is_hidden_and_one_that_is_compared_is_not() -> None:
    Secret("11111111-2222-3333-4444-555555555555")
    Secret.hidden(CANARY)
    said = redaction.redact(f"11111111-2222-3333-4444-555555555555 {CANARY}")
    assert said == "11111111-2222-3333-4444-555555555555 ***"


def test_many_secrets_do_not_grow_without_end() -> None:
    for number in range(1000):
        Secret.hidden(f"token-number-{number:06d}")
    assert redaction.redact("token-number-000999") == redaction.HIDDEN
    assert redaction.redact("token-number-000001") == "token-number-000001"


def test_what_work_tells_is_without_secrets() -> None:
    import threading

    redaction.remember([CANARY])
    told: list[Event] = []
    reporter = Reporter("a/b", told.append, threading.Event())
    reporter.say(f"it is {CANARY}")
    reporter.progress(f"it is {CANARY}")
    said, progressed = told
    assert isinstance(said, Said)
    assert isinstance(progressed, Progressed)
    assert said.text == progressed.text == "it is ***"


def test_python_s_own_last_words_are_without_secrets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    log.guard()
    redaction.remember([CANARY])
    try:
        raise ValueError(CANARY)
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
    said = capsys.readouterr().err
    assert "ValueError: ***" in said
    assert CANARY not in said
    assert logging.lastResort is not None
    record = logging.LogRecord("x", logging.WARNING, __file__, 1, "it is %s", (CANARY,), None)
    assert logging.lastResort.format(record) == "it is ***"


@pytest.mark.parametrize(
    "value",
    [
        "http://proxy:8080",
        "http://proxy.contoso.com:8080/",
        "https://bob:pass%40word@proxy:8080",
        "proxy:8080",
        "10.1.2.3",
        "http://[::1]:3128",
        "http://bob@proxy",
    ],
)
def test_an_address_of_a_proxy_is_taken(value: str) -> None:
    assert proxy_trouble(value) == ""


@pytest.mark.parametrize(
    "value",
    [
        "http://bob:CANARY7@proxy:99999",
        "http://bob:CAN/ARY7@proxy:9",
        "http://bob:CAN#ARY7@proxy:9",
        "http://bob:CAN@ARY7@proxy:9",
        "http://bob:CAN[ARY7@proxy",
        "http://bob:CAN ARY7@proxy",
        "http://bob:CANARY7",
        "http://:CANARY7@",
        "http://",
        "socks9://bob:CANARY7@proxy",
        "ftp://proxy",
        "http://bob:100%ZCANARY7@proxy",
        "http://pröxy:80",
    ],
)
def test_what_is_no_address_is_told_without_a_part_of_it(value: str) -> None:
    trouble = proxy_trouble(value)
    assert trouble
    assert "CAN" not in trouble
    assert "ARY" not in trouble


@pytest.mark.parametrize("form", [form for form in (*redaction.FORMS, *redaction._PLACES) if form.parts])
def test_what_matches_a_form_has_one_of_its_parts_in_it(form: redaction.Form) -> None:
    texts = samples(parser.parse(form.pattern.pattern))
    assert texts
    assert all(any(part in text.casefold() for part in form.parts) for text in texts), texts
