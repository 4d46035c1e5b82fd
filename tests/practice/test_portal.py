"""The practice cloud's portal: what its page shows, to whom, and how it looks in a real browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import webbrowser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from hol_wizard import variables
from hol_wizard.practice.process import browse
from hol_wizard.practice.process.portal_page import PAGE
from hol_wizard.services.endpoints import Endpoints
from tests.practice.conftest import VAULTS, Arm, provider, user_token, vault_body
from tests.practice.data_planes import oid
from tests.practice.pipeline_ground import Ground
from tests.practice.test_devops import as_user
from tests.practice.test_key_vault_data import AUDIENCE, Vault
from tests.practice_cloud import PracticeCloud

CANARY = "canary-5f0a1c-value-of-a-secret"
BRANCH = "<img/src=x/onerror=document.title=1>"
INJECTION = "<img src=x onerror=alert(1)><script>document.title='owned'</script>"


def ask(cloud: PracticeCloud, path: str, token: str = "", method: str = "GET", **headers: str) -> requests.Response:
    """Ask the portal as a browser does: without our CA."""
    if token:
        headers["Authorization"] = f"Bearer {token}"
    with requests.Session() as asking:
        asking.trust_env = False
        return asking.request(method, f"{cloud.endpoints['portal']}{path}", headers=headers, timeout=10)


def snapshot(cloud: PracticeCloud) -> dict[str, Any]:
    """Return what the page reads."""
    answer = ask(cloud, "/snapshot", cloud.endpoints["portal_token"])
    assert answer.status_code == 200
    seen: dict[str, Any] = answer.json()
    return seen


@pytest.fixture
def filled(practice_cloud: PracticeCloud, arm: Arm) -> PracticeCloud:
    """A cloud with a vault with a secret, and a project."""
    token = user_token(practice_cloud, scope=AUDIENCE)
    tenant = practice_cloud.endpoints["defaults"]["tenant"]
    policy = {"tenantId": tenant, "objectId": oid(token), "permissions": {"secrets": ["get", "set", "list"]}}
    arm.make_group("contoso-db-dev")
    path = provider("KeyVault/vaults", "portal-kv", "contoso-db-dev")
    body = vault_body(practice_cloud, enableRbacAuthorization=False, accessPolicies=[policy])
    arm.ask("PUT", path, {**body, "tags": {"note": CANARY}}, version=VAULTS)
    address = str(arm.until(path, VAULTS)["properties"]["vaultUri"])
    vault = Vault(practice_cloud, address, token)
    written = vault.ask("PUT", "secrets/storage-key", {"value": CANARY, "tags": {"note": CANARY}})
    assert written.status_code == 200
    as_user(practice_cloud).make("portal-project")
    return practice_cloud


def test_the_page_is_for_everybody_and_what_it_shows_is_not(practice_cloud: PracticeCloud) -> None:
    page = ask(practice_cloud, "/")
    assert page.status_code == 200
    for token in ("", "wrong", practice_cloud.endpoints["control_token"]):
        refused = ask(practice_cloud, "/snapshot", token)
        assert refused.status_code == 401
        assert set(refused.json()) == {"error"}
    token = practice_cloud.endpoints["portal_token"]
    # Never by the query, which others log.
    assert ask(practice_cloud, f"/snapshot?token={token}").status_code == 401
    for answer in (page, refused, ask(practice_cloud, "/snapshot", token)):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "Access-Control-Allow-Origin" not in answer.headers
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy


def test_the_portal_only_shows(practice_cloud: PracticeCloud) -> None:
    token = practice_cloud.endpoints["portal_token"]
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert ask(practice_cloud, "/snapshot", token, method).status_code == 405
    for path in ("/status", "/reset", "/portal"):
        assert ask(practice_cloud, path, token).status_code == 404
    # Its token is no control token.
    control = str(practice_cloud.endpoints["control"])
    bearer = {"Authorization": f"Bearer {token}"}
    with requests.Session() as asking:
        asking.trust_env = False
        answer = asking.post(f"{control}/reset", headers=bearer, verify=practice_cloud.ca_file, timeout=10)
    assert answer.status_code == 401


def test_other_names_for_the_address_and_pages_of_other_sites_are_refused(practice_cloud: PracticeCloud) -> None:
    token = practice_cloud.endpoints["portal_token"]
    for path in ("/", "/snapshot"):
        for host in ("rebound.example", "rebound.example:443", "127.0.0.1.example"):
            assert ask(practice_cloud, path, token, Host=host).status_code == 421
        for origin in ("https://site.example", "null"):
            assert ask(practice_cloud, path, token, Origin=origin).status_code == 403


def test_the_page_shows_what_exists_and_no_secret(filled: PracticeCloud) -> None:
    seen = snapshot(filled)
    assert [each["name"] for each in seen["groups"]] == ["contoso-db-dev"]
    assert [(each["name"], each["state"]) for each in seen["resources"]] == [("portal-kv", "Succeeded")]
    assert seen["vaults"] == [{"name": "portal-kv", "secrets": ["storage-key"]}]
    assert {"organization": "practice", "name": "portal-project", "repository": "portal-project"} in seen["projects"]
    assert "Owner" in {each["role"] for each in seen["roles"]}
    text = ask(filled, "/snapshot", filled.endpoints["portal_token"]).text
    secrets = (CANARY, "control_token", "portal_token", "ci_secret")
    values = [filled.endpoints["control_token"], filled.endpoints["service_principal"]["client_secret"]]
    for secret in (*secrets, *values, filled.endpoints["portal_token"]):
        assert secret not in text
        assert secret not in ask(filled, "/").text


@pytest.mark.slow
def test_the_page_shows_runs_without_values_of_variables(practice_cloud: PracticeCloud, tmp_path: Path) -> None:
    ground = Ground(practice_cloud, tmp_path)
    ground.begin()
    ground.push(f"name: {CANARY}\ntrigger: none\nsteps:\n- script: echo {CANARY}\n")
    ground.project.create()
    assert ground.run()["buildNumber"] == CANARY
    (run,) = snapshot(practice_cloud)["runs"]
    assert (run["project"], run["branch"], run["state"], run["result"]) == (
        "lab",
        "refs/heads/main",
        "completed",
        "succeeded",
    )
    assert CANARY not in ask(practice_cloud, "/snapshot", practice_cloud.endpoints["portal_token"]).text


def test_the_token_is_no_part_of_the_address_that_texts_use(practice_cloud: PracticeCloud) -> None:
    endpoints = Endpoints.of_file(practice_cloud.endpoints_file)
    token = practice_cloud.endpoints["portal_token"]
    assert urlsplit(endpoints.portal).hostname == "127.0.0.1"
    assert token not in repr(endpoints)
    assert endpoints.portal_token is not None
    assert endpoints.portal_token.reveal() == token


def test_a_prepared_shell_opens_the_portal_and_no_service(
    practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(variables, "leave_shell", lambda environ: None)
    for name in ("portal", "resource_manager", "control"):
        browse.browse(practice_cloud.state, f"{practice_cloud.endpoints[name]}/#token=x")
    assert opened == [f"{practice_cloud.endpoints['portal']}/#token=x"]


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def in_chromium(address: str, profile: Path) -> str:
    """Return the page's elements after its program has run, without the program itself."""
    words = [
        *(str(CHROMIUM), "--headless", "--disable-gpu", "--no-first-run", "--no-proxy-server"),
        *(["--no-sandbox"] if os.geteuid() == 0 else []),  # Chromium's sandbox refuses root
        *("--disable-dev-shm-usage", "--disable-background-networking", f"--user-data-dir={profile}"),
        *("--virtual-time-budget=10000", "--dump-dom", address),
    ]
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=100, check=True, env={**os.environ, "HOME": str(profile)}
    )
    program = PAGE.partition("<script>")[2].partition("</script>")[0]
    assert program in done.stdout
    return done.stdout.replace(program, "")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_real_browser_shows_the_page_and_runs_no_name(filled: PracticeCloud, arm: Arm, tmp_path: Path) -> None:
    ground = Ground(filled, tmp_path)
    ground.begin()
    # Names of groups and projects cannot contain such characters; those of branches can.
    ground.push("trigger: none\nsteps:\n- script: echo one\n", branch=BRANCH)
    ground.project.create()
    ground.run(sourceBranch=f"refs/heads/{BRANCH}")
    resource = f"{arm.base}/resourceGroups/contoso-db-dev"
    token = filled.endpoints["portal_token"]
    seen = in_chromium(f"{filled.endpoints['portal']}/#token={token}&resource={resource}", tmp_path / "a")
    for text in (
        "contoso-db-dev",
        "portal-kv",
        "storage-key",
        "portal-project",
        "Owner",
        "refs/heads/&lt;img/src=x/",
        "As of",
    ):
        assert text in seen
    assert '<tr class="chosen" aria-current="true"><td>contoso-db-dev</td>' in seen
    assert "does not exist yet" not in seen
    assert "<title>Practice cloud</title>" in seen
    assert "<img" not in seen
    assert CANARY not in seen
    assert token not in seen
    missing = in_chromium(f"{filled.endpoints['portal']}/#token={token}&resource={INJECTION}", tmp_path / "b")
    assert "This does not exist yet: &lt;img src=x" in missing
    assert "<img" not in missing
    assert "<title>Practice cloud</title>" in missing
    stranger = in_chromium(f"{filled.endpoints['portal']}/#token=wrong", tmp_path / "c")
    assert "This address is no longer valid." in stranger
    assert "portal-kv" not in stranger
