"""What the sign-in libraries are handed, and what they are spared."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import requests

from hol_wizard.errors import InconclusiveError
from hol_wizard.services import sign_in_answers
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.sign_in_answers import REQUIRED, judged

AZURE = Endpoints.of_cloud("azure")
BASE = "https://login.test.invalid/common"
GOOD: dict[str, Any] = {
    "authorization_endpoint": "https://a",
    "token_endpoint": "https://t",
    "issuer": "https://i",
    "access_token": "x",
    "expires_in": 3600,
    "device_code": "d",
    "user_code": "u",
}


class Played(requests.Session):
    """Answers with the given statuses and bodies in turn, the last one again and again."""

    def __init__(self, *replies: tuple[int, Any, dict[str, str]]) -> None:
        super().__init__()
        self.replies = list(replies)
        self.asked = 0

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **named: Any) -> requests.Response:
        self.asked += 1
        status, body, headers = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        answer = requests.Response()
        answer.status_code, answer.url = status, str(url)
        answer.headers.update(headers)
        answer.raw = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        return answer


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in_answers, "WAITS", (0.0, 0.0))


@pytest.mark.parametrize("path", REQUIRED)
def test_a_good_answer_without_one_of_its_members_is_not_handed_on(path: str) -> None:
    assert judged(Played((200, GOOD, {})), AZURE).get(BASE + path).json() == GOOD
    for name in REQUIRED[path]:
        wrong: tuple[Any, ...] = (None, [], {}, "", 0.5 if name != "expires_in" else "soon")
        for value in wrong:
            session = Played((200, {**GOOD, name: value}, {}))
            with pytest.raises(
                InconclusiveError, match=r"Microsoft Entra ID answered in an unexpected form \(sign-in\)"
            ):
                judged(session, AZURE).get(BASE + path)
            assert session.asked == 3


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [("/devicecode", "interval", "soon"), ("/devicecode", "interval", None), ("/token", "expires_in", "9" * 5000)],
)
def test_a_number_that_msal_could_not_read_is_not_handed_on(path: str, name: str, value: Any) -> None:
    with pytest.raises(InconclusiveError, match=r"unexpected form \(sign-in\)"):
        judged(Played((200, {**GOOD, name: value}, {})), AZURE).post(BASE + path)


def test_the_service_itself_may_refuse() -> None:
    refusal = {"error": "invalid_grant", "error_description": "AADSTS700082: expired"}
    session = Played((400, refusal, {}))
    assert judged(session, AZURE).post(f"{BASE}/token", data={"grant_type": "refresh_token"}).json() == refusal
    assert session.asked == 1


@pytest.mark.parametrize("body", [{"error": {"code": "PageNotFound"}}, {"error": "PageNotFound"}, {}])
def test_a_404_in_a_form_of_somebody_else_is_no_missing_directory(body: dict[str, Any]) -> None:
    with pytest.raises(InconclusiveError, match="unexpected form"):
        judged(Played((404, body, {})), AZURE).get(f"{BASE}/.well-known/openid-configuration")


def test_an_authorization_code_is_sent_once() -> None:
    session = Played((503, b"", {}))
    with pytest.raises(InconclusiveError):
        judged(session, AZURE).post(f"{BASE}/token", data={"grant_type": "authorization_code", "code": "c"})
    assert session.asked == 1


def test_who_asks_to_wait_for_an_hour_is_not_waited_for() -> None:
    session = Played((429, b"", {"Retry-After": "3600"}))
    with pytest.raises(InconclusiveError):
        judged(session, AZURE).post(f"{BASE}/token", data={"grant_type": "refresh_token"})
    assert session.asked == 1
