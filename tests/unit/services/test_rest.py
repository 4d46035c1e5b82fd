from __future__ import annotations

import pytest

from hol_wizard.errors import AccessDeniedError, SignInError
from hol_wizard.services.rest import RestClient
from tests.unit.services.tls_server import Reply, Server, Tokens

STALE = Reply(403, {"error_code": 403, "message": "Invalid access token."})
DENIED = Reply(403, {"error_code": "PERMISSION_DENIED", "message": "You may not do this."})


@pytest.fixture
def databricks(server: Server, tokens: Tokens) -> RestClient:
    return RestClient("databricks", server.endpoints, tokens, audience="databricks")


def test_a_token_that_is_refused_with_403_is_renewed_like_one_refused_with_401(
    databricks: RestClient, server: Server
) -> None:
    server.will_answer(STALE, Reply(body={"a": 1}))
    assert databricks.send("GET", f"{server.base}/x", thing="x").body == {"a": 1}
    assert [asked.headers["Authorization"] for asked in server.asked] == ["Bearer token-1", "Bearer token-2"]


def test_a_token_that_stays_refused_is_a_matter_of_signing_in(databricks: RestClient, server: Server) -> None:
    server.will_answer(STALE)
    with pytest.raises(SignInError):
        databricks.send("GET", f"{server.base}/x", thing="x")
    assert len(server.asked) == 2


def test_a_right_that_is_missing_is_no_matter_of_the_token(databricks: RestClient, server: Server) -> None:
    server.will_answer(DENIED)
    with pytest.raises(AccessDeniedError):
        databricks.send("GET", f"{server.base}/x", thing="x")
    assert len(server.asked) == 1
