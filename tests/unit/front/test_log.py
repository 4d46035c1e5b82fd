from __future__ import annotations

import logging
import stat
import sys
from pathlib import Path

import pytest

from hol_wizard import log
from hol_wizard.errors import UsageError
from hol_wizard.redaction import scrub

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"Authorization: Bearer {JWT}", JWT),
        ("{'Authorization': 'Basic dXNlcjpwYXNz'}", "dXNlcjpwYXNz"),
        (f"token was {JWT}.", JWT),
        ('{"access_token": "opaque\\"value", "expires_in": 3599}', "opaque"),
        ("client_id=1&client_secret=Zq8Q~abc&scope=x", "Zq8Q~abc"),
        ("'password': 'hunter2'", "hunter2"),
        ("password: hunter2", "hunter2"),
        ("https://x.blob.core.windows.net/c?sv=2024&sig=AbC%3D&se=1", "AbC%3D"),
        ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=c2VjcmV0Cg==;EndpointSuffix=x", "c2VjcmV0Cg"),
        ("https://build:hunter2@dev.azure.com/o/_git/r", "hunter2"),
        (f"dapi{'0a' * 16} is it", "dapi0a"),
        ("value abc8Q~" + "x" * 34 + " end", "abc8Q~"),
        ("pat " + "a" * 52 + " end", "aaaa"),
        ("device_code=GAQABAAEAAAD", "GAQABAAEAAAD"),
    ],
)
def test_secrets_are_scrubbed(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in scrub(text)
    assert "***" in scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "Resource group lab-db-dev could not be found.",
        "/subscriptions/830c1363-b62c-5803-a437-aeae2935b63e/resourceGroups/rg",
        "expires_in: 3599, token_type: Bearer",
        "The secret scope data-lake has 7 secrets.",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert scrub(text) == text


def test_the_log_is_the_owners_alone_and_scrubs_tracebacks(tmp_path: Path) -> None:
    path = tmp_path / "log" / "hol-wizard.log"
    log.start(path)
    try:
        raise ValueError(f"bad token={JWT}")
    except ValueError:
        logging.getLogger("hol_wizard.x").exception("it failed with password=hunter2")
    written = path.read_text(encoding="utf-8")
    assert "ValueError: bad token=***" in written
    assert "hunter2" not in written
    assert JWT not in written
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_log_rotates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MAX_BYTES", 500)
    path = tmp_path / "hol-wizard.log"
    log.start(path)
    for number in range(50):
        logging.getLogger("hol_wizard").info("line %d", number)
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "hol-wizard.log",
        *(f"hol-wizard.log.{n}" for n in (1, 2, 3)),
    ]


def test_starting_twice_writes_each_line_once(tmp_path: Path) -> None:
    path = tmp_path / "hol-wizard.log"
    log.start(path)
    log.start(path)
    logging.getLogger("hol_wizard").info("only once")
    assert path.read_text(encoding="utf-8").count("only once") == 1


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way", encoding="utf-8")
    with pytest.raises(UsageError, match="Cannot write to"):
        log.start(tmp_path / "state" / "log" / "hol-wizard.log")
