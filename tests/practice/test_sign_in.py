from __future__ import annotations

import base64
import json
import re
import threading
import time
from typing import Any

import msal  # type: ignore[import-untyped]  # it ships no types
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential, DeviceCodeCredential

from hol_wizard.practice.process import launch
from tests.practice.conftest import (
    AZURE_CLI,
    GROUPS,
    MANAGEMENT,
    TARGET,
    Arm,
    post_token,
    session,
    sign_in_address,
    user_token,
)
from tests.practice_cloud import PracticeCloud


def options(cloud: PracticeCloud) -> dict[str, Any]:
    return {
        "authority": cloud.endpoints["active_directory"],
        "disable_instance_discovery": True,
        "connection_verify": cloud.ca_file,
    }


@pytest.fixture
def trusted(practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch) -> PracticeCloud:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", practice_cloud.ca_file)
    return practice_cloud


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def device_code(cloud: PracticeCloud) -> dict[str, Any]:
    address = f"{cloud.endpoints['active_directory']}/organizations/oauth2/v2.0/devicecode"
    begun: dict[str, Any] = (
        session(cloud).post(address, data={"client_id": AZURE_CLI, "scope": MANAGEMENT}, timeout=10).json()
    )
    return begun


def redeem(cloud: PracticeCloud, device: str) -> requests.Response:
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": AZURE_CLI, "device_code": device}
    return post_token(cloud, **form)


def test_a_device_code_gives_a_token_once_its_owner_has_approved_it(trusted: PracticeCloud) -> None:
    shown: list[tuple[str, str]] = []

    def prompt(uri: str, code: str, until: object) -> None:
        shown.append((uri, code))
        told = trusted.control.approve(code.lower())
        assert (told["state"], told["application"], told["kind"]) == ("approved", "Azure CLI", "device")

    credential = DeviceCodeCredential(
        client_id=AZURE_CLI, tenant_id="organizations", prompt_callback=prompt, **options(trusted)
    )
    token = credential.get_token(MANAGEMENT).token
    assert claims(token)["upn"] == "attendee@practice.example"
    assert len(shown) == 1
    assert Arm(trusted, token).ask("GET", "").json()["displayName"] == "Practice subscription"


def test_no_device_code_is_approved_by_itself(practice_cloud: PracticeCloud) -> None:
    begun = device_code(practice_cloud)
    assert f"hol-wizard practice approve {begun['user_code']}" in begun["message"]
    for _ in range(3):
        answer = redeem(practice_cloud, begun["device_code"])
        assert (answer.status_code, answer.json()["error"]) == (400, "authorization_pending")
        time.sleep(0.05)
    practice_cloud.control.approve(begun["user_code"])
    assert redeem(practice_cloud, begun["device_code"]).status_code == 200
    assert redeem(practice_cloud, begun["device_code"]).json()["error"] == "bad_verification_code"


def test_the_approval_of_a_device_code_takes_a_persons_time(practice_cloud: PracticeCloud) -> None:
    practice_cloud.control.settings(approval_seconds=1000)
    early, late = device_code(practice_cloud), device_code(practice_cloud)
    practice_cloud.control.approve(early["user_code"])
    assert redeem(practice_cloud, early["device_code"]).json()["error"] == "authorization_pending"
    practice_cloud.control.settings(approval_seconds=0)
    practice_cloud.control.approve(late["user_code"])
    assert redeem(practice_cloud, late["device_code"]).status_code == 200


def test_a_code_that_nobody_waits_for_is_said(practice_cloud: PracticeCloud) -> None:
    with pytest.raises(launch.ControlError, match="no sign-in waits for the code NONSENSE"):
        practice_cloud.control.approve("nonsense")


@pytest.mark.slow
def test_sign_ins_that_wait_are_bounded(practice_cloud: PracticeCloud) -> None:
    oldest = device_code(practice_cloud)
    for _ in range(210):
        newest = device_code(practice_cloud)
    with pytest.raises(launch.ControlError, match="no sign-in waits"):
        practice_cloud.control.approve(oldest["user_code"])
    assert practice_cloud.control.approve(newest["user_code"])["state"] == "approved"


def test_a_browser_waits_for_the_owner(practice_cloud: PracticeCloud) -> None:
    with session(practice_cloud) as browser:
        page = browser.get(sign_in_address(practice_cloud), allow_redirects=False, timeout=10)
        assert page.status_code == 200
        code = re.search(r"hol-wizard practice approve (\w+)", page.text)
        assert code is not None
        again = page.headers["Refresh"].partition("url=")[2]
        assert browser.get(again, allow_redirects=False, timeout=10).status_code == 200
        told = practice_cloud.control.approve(code[1])
        assert (told["kind"], told["target"]) == ("browser", TARGET)
        done = browser.get(again, allow_redirects=False, timeout=10)
        assert done.status_code == 302
        assert done.headers["Location"].startswith(f"{TARGET}?state=s&code=")
        assert browser.get(again, allow_redirects=False, timeout=10).status_code == 400


def test_an_approved_address_is_good_once_and_only_with_its_key(practice_cloud: PracticeCloud) -> None:
    address = sign_in_address(practice_cloud)
    practice_cloud.control.approve(address=address)
    with session(practice_cloud) as browser:
        changed = browser.get(address.replace("1234", "4321"), allow_redirects=False, timeout=10)
        assert changed.status_code == 200
        answer = browser.get(address, allow_redirects=False, timeout=10)
        assert browser.get(address, allow_redirects=False, timeout=10).status_code == 200
    code = answer.headers["Location"].partition("code=")[2].partition("&")[0]
    form = {"grant_type": "authorization_code", "client_id": AZURE_CLI, "code": code, "redirect_uri": TARGET}
    assert post_token(practice_cloud, **form, code_verifier="another").json()["error_codes"] == [501481]
    with pytest.raises(launch.ControlError, match="code_challenge"):
        practice_cloud.control.approve(address=sign_in_address(practice_cloud, code_challenge_method="plain"))


def test_one_sign_in_gives_tokens_for_every_resource_of_the_lab(trusted: PracticeCloud) -> None:
    app = msal.PublicClientApplication(
        AZURE_CLI,
        authority=f"{trusted.endpoints['active_directory']}/organizations",
        instance_discovery=False,
    )
    flow = app.initiate_device_flow([MANAGEMENT])
    trusted.control.approve(flow["user_code"])
    result = app.acquire_token_by_device_flow(flow)
    assert result["id_token_claims"]["preferred_username"] == "attendee@practice.example"
    account = app.get_accounts()[0]
    audiences = set()
    for resource in trusted.endpoints["audiences"].values():
        silent = app.acquire_token_silent([f"{resource}/.default"], account)
        assert silent is not None
        audiences.add(claims(silent["access_token"])["aud"])
    assert audiences == set(trusted.endpoints["audiences"].values())


def test_a_token_that_is_there_is_not_asked_for_again(trusted: PracticeCloud) -> None:
    app = msal.PublicClientApplication(
        AZURE_CLI, authority=f"{trusted.endpoints['active_directory']}/organizations", instance_discovery=False
    )
    flow = app.initiate_device_flow([MANAGEMENT])
    trusted.control.approve(flow["user_code"])
    app.acquire_token_by_device_flow(flow)
    before = trusted.log_size()
    assert app.acquire_token_silent([MANAGEMENT], app.get_accounts()[0]) is not None
    assert trusted.exchanges(before) == []


def test_a_browser_sign_in_goes_through_a_form_post(trusted: PracticeCloud) -> None:
    def browse(uri: str) -> None:
        trusted.control.approve(address=uri)
        page = session(trusted).get(uri, timeout=10).text
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
        target = re.search(r'action="([^"]+)"', page)
        assert target is not None
        requests.post(target[1], data=fields, timeout=10)

    app = msal.PublicClientApplication(
        AZURE_CLI, authority=f"{trusted.endpoints['active_directory']}/organizations", instance_discovery=False
    )
    flow = app.initiate_auth_code_flow([MANAGEMENT], redirect_uri="http://localhost:1", response_mode="form_post")
    trusted.control.approve(address=flow["auth_uri"])
    page = session(trusted).get(flow["auth_uri"], timeout=10).text
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
    result = app.acquire_token_by_auth_code_flow(flow, fields)
    assert result["id_token_claims"]["preferred_username"] == "attendee@practice.example"
    # And once more with MSAL's own listener, as `az login` does it.
    import webbrowser

    class Browser(webbrowser.BaseBrowser):
        def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
            threading.Thread(target=browse, args=(url,), daemon=True).start()
            return True

    webbrowser.register("practice", None, Browser("practice"), preferred=True)
    try:
        interactive = app.acquire_token_interactive([MANAGEMENT], timeout=10)
    finally:
        webbrowser._tryorder.remove("practice")  # type: ignore[attr-defined]  # there is no public way back
    assert "access_token" in interactive


@pytest.mark.parametrize(
    ("approval", "error"), [("decline", "authorization_declined"), ("never", "authorization_pending")]
)
def test_a_device_code_can_be_declined_or_left_alone(practice_cloud: PracticeCloud, approval: str, error: str) -> None:
    practice_cloud.control.settings(approval=approval)
    begun = device_code(practice_cloud)
    practice_cloud.control.approve(begun["user_code"])
    answer = redeem(practice_cloud, begun["device_code"])
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_service_principal_signs_in_with_its_secret(trusted: PracticeCloud) -> None:
    principal = trusted.endpoints["service_principal"]
    credential = ClientSecretCredential(
        principal["tenant"], principal["client_id"], principal["client_secret"], **options(trusted)
    )
    arm = Arm(trusted, credential.get_token(MANAGEMENT).token)
    assert arm.ask("PUT", "/resourcegroups/ci", {"location": "westeurope"}).status_code == 201


@pytest.mark.parametrize(
    ("client", "secret", "code"), [(None, "wrong", "AADSTS7000215"), ("unknown-app", "any", "AADSTS700016")]
)
def test_a_wrong_service_principal_gets_the_code_of_entra_id(
    trusted: PracticeCloud, client: str | None, secret: str, code: str
) -> None:
    principal = trusted.endpoints["service_principal"]
    credential = ClientSecretCredential(
        principal["tenant"], client or principal["client_id"], secret, **options(trusted)
    )
    with pytest.raises(ClientAuthenticationError, match=code):
        credential.get_token(MANAGEMENT)


def test_an_unknown_tenant_is_named_in_the_error(trusted: PracticeCloud) -> None:
    answer = post_token(trusted, "nowhere.example", grant_type="client_credentials")
    assert answer.status_code == 400
    assert "AADSTS90002: Tenant 'nowhere.example' not found" in answer.json()["error_description"]


def test_an_unknown_resource_is_refused(practice_cloud: PracticeCloud) -> None:
    principal = practice_cloud.endpoints["service_principal"]
    answer = post_token(
        practice_cloud,
        grant_type="client_credentials",
        client_id=principal["client_id"],
        client_secret=principal["client_secret"],
        scope="https://nowhere.example/.default",
    )
    assert answer.json()["error_codes"] == [500011]


def test_arm_says_what_is_wrong_with_a_token(practice_cloud: PracticeCloud) -> None:
    good = user_token(practice_cloud)
    for token, code in (
        ("nonsense", "InvalidAuthenticationToken"),
        (good[:-3] + "abc", "InvalidAuthenticationToken"),
        (user_token(practice_cloud, scope="https://vault.azure.net/.default"), "InvalidAuthenticationTokenAudience"),
    ):
        answer = Arm(practice_cloud, token).ask("GET", "")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
        assert answer.headers["WWW-Authenticate"].startswith('Bearer authorization_uri="https://login.windows.net/')
    bare = Arm(practice_cloud, good)
    del bare.http.headers["Authorization"]
    assert bare.error("GET", "") == (401, "AuthenticationFailed")


def test_tokens_can_be_made_too_old(practice_cloud: PracticeCloud) -> None:
    arm = Arm(practice_cloud, user_token(practice_cloud))
    assert practice_cloud.control.expire_tokens("access", "refresh") == 2
    assert arm.error("GET", "") == (401, "ExpiredAuthenticationToken")


def test_a_refresh_token_that_is_too_old_asks_for_a_new_sign_in(trusted: PracticeCloud) -> None:
    app = msal.PublicClientApplication(
        AZURE_CLI, authority=f"{trusted.endpoints['active_directory']}/organizations", instance_discovery=False
    )
    flow = app.initiate_device_flow([MANAGEMENT])
    trusted.control.approve(flow["user_code"])
    app.acquire_token_by_device_flow(flow)
    trusted.control.expire_tokens("refresh")
    result = app.acquire_token_silent_with_error(["https://vault.azure.net/.default"], app.get_accounts()[0])
    assert result is not None
    assert result["error"] == "invalid_grant"
    assert "AADSTS700082" in result["error_description"]


def test_graph_says_who_is_signed_in(practice_cloud: PracticeCloud) -> None:
    token = user_token(practice_cloud, "reader@practice.example", "https://graph.microsoft.com/.default")
    asking = session(practice_cloud)
    address = f"{practice_cloud.endpoints['microsoft_graph']}/v1.0/me"
    found = asking.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=10).json()
    assert found["userPrincipalName"] == "reader@practice.example"
    assert asking.get(address, timeout=10).status_code == 401


def test_what_each_person_sees_of_the_subscriptions(practice_cloud: PracticeCloud) -> None:
    seen = {}
    for who in ("attendee", "reader", "stranger"):
        arm = Arm(practice_cloud, user_token(practice_cloud, f"{who}@practice.example"))
        answer = arm.http.get(
            f"{practice_cloud.resource_manager}/subscriptions", params={"api-version": "2022-12-01"}, timeout=10
        )
        seen[who] = [each["displayName"] for each in answer.json()["value"]]
    assert seen == {
        "attendee": ["Practice subscription", "Practice subscription (look only)"],
        "reader": ["Practice subscription"],
        "stranger": [],
    }


def test_a_reader_may_look_and_not_touch(practice_cloud: PracticeCloud) -> None:
    arm = Arm(practice_cloud, user_token(practice_cloud, "reader@practice.example"))
    assert arm.ask("GET", "/resourcegroups").json() == {"value": []}
    actions = arm.ask("GET", "/providers/Microsoft.Authorization/permissions", version="2022-04-01").json()["value"]
    assert [each["actions"] for each in actions] == [["*/read"]]
    answer = arm.ask("PUT", "/resourcegroups/mine", {"location": "westeurope"})
    assert answer.status_code == 403
    message = answer.json()["error"]["message"]
    assert message.startswith("The client 'reader@practice.example' with object id '")
    assert (
        "does not have authorization to perform action 'Microsoft.Resources/subscriptions/resourcegroups/write'"
        in message
    )
    assert arm.error("POST", "/providers/Microsoft.Storage/register") == (403, "AuthorizationFailed")


def test_the_attendee_only_reads_in_the_second_subscription(practice_cloud: PracticeCloud) -> None:
    token = user_token(practice_cloud)
    answer = Arm(practice_cloud, token).http.get(
        f"{practice_cloud.resource_manager}/subscriptions", params={"api-version": "2022-12-01"}, timeout=10
    )
    second = answer.json()["value"][1]["subscriptionId"]
    arm = Arm(practice_cloud, token, second)
    assert arm.ask("GET", "", version="2022-12-01").status_code == 200
    assert arm.error("PUT", "/resourcegroups/mine", {"location": "westeurope"}) == (403, "AuthorizationFailed")


def test_the_exchange_log_holds_no_secret(practice_cloud: PracticeCloud) -> None:
    since = practice_cloud.log_size()
    token = user_token(practice_cloud)
    Arm(practice_cloud, token).ask("GET", "", version=GROUPS)
    principal = practice_cloud.endpoints["service_principal"]
    post_token(
        practice_cloud,
        grant_type="client_credentials",
        client_id=principal["client_id"],
        client_secret=principal["client_secret"],
        scope=MANAGEMENT,
    )
    text = json.dumps(practice_cloud.exchanges(since))
    assert token not in text
    assert token.split(".")[1] not in text
    assert principal["client_secret"] not in text
    assert "Bearer ey" not in text
