"""What Azure DevOps answers, and which credential it is shown: answers of a local server, as recorded or described."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hol_wizard.errors import (
    AbsenceUnclearError,
    AccessDeniedError,
    ConflictError,
    InconclusiveError,
    ServiceError,
    SignInError,
    WizardError,
)
from hol_wizard.services.context import Services
from hol_wizard.services.devops.client import DevOps
from hol_wizard.services.devops.projects import Project
from hol_wizard.services.devops.tokens import DevOpsTokens
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.rest import RestClient
from hol_wizard.services.secrets import Secret
from tests.unit.services.tls_server import Reply, Server, Tokens


def client(server: Server, tokens: Tokens, **more: Any) -> DevOps:
    endpoints = replace(server.endpoints, devops=server.base, devops_entitlements=server.base, devops_sps=server.base)
    return DevOps(RestClient("devops", endpoints, tokens, audience="devops", **more), "contoso")


@pytest.fixture
def devops(server: Server, tokens: Tokens) -> DevOps:
    return client(server, tokens)


def refusal(status: int, kind: str, message: str) -> Reply:
    return Reply(status, {"$id": "1", "message": message, "typeKey": kind, "errorCode": 0})


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (
            refusal(401, "UnauthorizedRequestException", "TF400813: The user 'jane' is not authorized to access this."),
            AccessDeniedError,
            "not a member of this Azure DevOps organization",
        ),
        (
            refusal(
                403,
                "AccessCheckException",
                "TF50309: The following account does not have sufficient permissions to complete the operation: jane. "
                "The following permissions are needed to perform this operation: Create new projects.",
            ),
            AccessDeniedError,
            "Create new projects",
        ),
        (
            refusal(403, "VssServiceException", "VS403463: The conditional access policy has failed."),
            AccessDeniedError,
            "policy",
        ),
        (
            refusal(401, "AccessCheckException", "Access Denied: The Personal Access Token used has expired."),
            SignInError,
            "expired",
        ),
        (
            refusal(400, "ProjectAlreadyExistsException", "TF200019: The following project already exists: hol."),
            ConflictError,
            "already has a project",
        ),
        (Reply(203, "<html><title>Azure DevOps Services | Sign In</title></html>"), SignInError, "sign-in page"),
        (Reply(200, "<html><title>Azure DevOps Services | Sign In</title></html>"), SignInError, "sign-in page"),
        (
            Reply(302, headers={"Location": "https://spsprodweu5.vssps.visualstudio.com/_signin?realm=dev.azure.com"}),
            SignInError,
            "sign-in page",
        ),
        (Reply(302, headers={"Location": "https://portal.hotel.example/"}), InconclusiveError, "answers instead"),
        (Reply(200, "<html><title>Welcome to the hotel</title></html>"), InconclusiveError, "answers instead"),
        (Reply(203, "<html><title>Blocked</title></html>"), InconclusiveError, "answers instead"),
        (Reply(404, "<html>Page not found</html>"), AbsenceUnclearError, "no Azure DevOps organization contoso"),
    ],
)
def test_what_azure_devops_refuses_is_said_in_plain_words(
    devops: DevOps, server: Server, reply: Reply, error: type[WizardError], words: str
) -> None:
    server.will_answer(reply)
    with pytest.raises(error) as raised:
        devops.person()
    assert words in raised.value.message
    assert raised.value.hint


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (Reply(203, "<html><title>Azure DevOps Services | Sign In</title></html>"), SignInError, "sign-in page"),
        (Reply(302, headers={"Location": "https://portal.hotel.example/"}), InconclusiveError, "answers instead"),
        (Reply(200, "no archive"), InconclusiveError, "cannot be read"),
    ],
)
def test_an_artifact_that_is_no_archive_is_said_in_plain_words(
    devops: DevOps, server: Server, reply: Reply, error: type[WizardError], words: str
) -> None:
    server.will_answer(reply)
    with pytest.raises(error) as raised:
        devops.artifact("Hands on lab", 7, "PipelineArtifacts")
    assert words in raised.value.message
    (asked,) = server.asked
    assert asked.path.startswith("/contoso/Hands%20on%20lab/_apis/build/builds/7/artifacts?")


def test_a_decision_is_a_list_in_the_address_of_its_project(devops: DevOps, server: Server) -> None:
    server.will_answer(Reply(body={"value": []}))
    devops.decide("Hands on lab (100%25)", "8c6f", "Seen", approve=True)
    (asked,) = server.asked
    assert asked.path.startswith("/contoso/Hands%20on%20lab%20%28100%2525%29/_apis/pipelines/approvals?")
    assert asked.headers["Content-Type"] == "application/json"


def test_no_request_lets_itself_be_sent_to_a_page_and_each_says_its_version(devops: DevOps, server: Server) -> None:
    server.will_answer(Reply(body={"authenticatedUser": {"id": "1", "properties": {"Account": {"$value": "jane"}}}}))
    assert devops.person().name == "jane"
    (asked,) = server.asked
    assert asked.headers["X-TFS-FedAuthRedirect"] == "Suppress"
    assert asked.path.endswith("api-version=7.1-preview.1")


def test_lists_are_read_to_their_end(devops: DevOps, server: Server) -> None:
    pages = [
        [{"id": str(start + n), "name": f"p{start + n}"} for n in range(size)] for start, size in ((0, 100), (100, 3))
    ]
    server.will_answer(*(Reply(body={"value": page}) for page in pages))
    assert len(devops.projects()) == 103
    user = {"id": "1", "user": {"mailAddress": "jane@contoso.com"}, "accessLevel": {"accountLicenseType": "express"}}
    server.will_answer(
        Reply(body={"members": [user], "continuationToken": "a b&c"}),
        Reply(body={"items": [{**user, "id": "2"}], "continuationToken": None}),
    )
    assert [each.id for each in devops.members()] == ["1", "2"]
    assert "continuationToken=a%20b%26c" in server.asked[-1].path
    tokens = [{"authorizationId": str(number), "displayName": "t", "scope": "vso.code"} for number in range(3)]
    server.will_answer(
        Reply(body={"patTokens": tokens[:2], "continuationToken": "next/1"}),
        Reply(body={"patTokens": tokens[2:], "continuationToken": ""}),
    )
    assert [each.id for each in DevOpsTokens(devops._rest, "contoso").list()] == ["0", "1", "2"]
    assert "continuationToken=next/1" in server.asked[-1].path


def test_a_refusal_with_a_status_of_success_is_one(devops: DevOps, server: Server) -> None:
    errors = [{"key": 5000, "value": "The user is not found in the directory."}]
    server.will_answer(Reply(body={"isSuccess": False, "operationResult": {"isSuccess": False, "errors": errors}}))
    with pytest.raises(ServiceError) as raised:
        devops.add_member("x@contoso.com", "express", Project("1", "hol", "wellFormed"))
    assert "not found in the directory" in raised.value.message


@pytest.mark.parametrize(
    ("answer", "jobs"),
    [
        ({"value": [{"isHosted": True, "totalCount": 1}, {"isHosted": False, "totalCount": 9}]}, 1),
        ({"totalCount": 0}, 0),
        ({"value": []}, None),
        ({"value": [{"something": "else"}]}, None),
        ({"value": "else"}, None),
    ],
)
def test_a_hint_of_an_unknown_shape_is_none(devops: DevOps, server: Server, answer: Any, jobs: int | None) -> None:
    server.will_answer(Reply(body=answer))
    assert devops.hosted_jobs() == jobs


def test_a_personal_access_token_is_shown_as_it_is_and_never_renewed(server: Server, tokens: Tokens) -> None:
    devops = client(server, tokens, authorization=lambda: Secret("Basic OnBhdA=="))
    server.will_answer(Reply(401))
    with pytest.raises(SignInError) as raised:
        devops.person()
    assert "does not accept the personal access token" in raised.value.message
    assert [each.headers["Authorization"] for each in server.asked] == ["Basic OnBhdA=="]
    assert devops.authorization().reveal() == "Basic OnBhdA=="
    assert "OnBhdA" not in repr(raised.value) + raised.value.detail


@pytest.mark.parametrize("cloud", ["usgov", "china"])
def test_another_clouds_sign_in_is_not_shown_to_azure_devops(cloud: str) -> None:
    """Azure DevOps Services is in the public cloud only."""
    services = Services(Endpoints.of_cloud(cloud), environ={})
    with pytest.raises(SignInError) as raised:
        services.devops("contoso").authorization()
    assert "public cloud only" in raised.value.message
    with pytest.raises(SignInError):
        services.devops_organizations()
    by_token = Services(
        Endpoints.of_cloud(cloud), environ={"AZURE_DEVOPS_EXT_PAT": "pat"}, devops_by_token=lambda: True
    )
    assert by_token.devops("contoso").authorization().reveal() == "Basic OnBhdA=="
