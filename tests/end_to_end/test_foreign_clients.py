"""What the wizard made, seen by clients that others wrote: the Azure CLI and the legacy Databricks CLI."""

from __future__ import annotations

import configparser
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.practice.process import shell
from tests.end_to_end.conftest import Machine
from tests.end_to_end.ground import Ground
from tests.practice.conftest import Arm, user_token

AZURE_CLI = "azure-cli==2.91.0"
DATABRICKS_CLI = "databricks-cli==0.18.0"
SECTIONS = ("cluster", "databricks-access", "secrets")
TEN = {
    *("sp-tenant-id", "sp-app-id", "sp-password", "sp-token-endpoint", "datalake-fqdn"),
    *("subscription-id", "resource-group", "ml-workspace-name", "alg-state", "created-by"),
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.xdist_group("test_foreign_clients")]


def installed(folder: Path, *packages: str) -> Path:
    """Install packages that cannot stand beside ours into an environment of their own; return its programs."""
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    for words in (["venv", "--quiet", str(folder)], ["pip", "install", "--quiet", "--python", str(python), *packages]):
        done = subprocess.run([sys.executable, "-m", "uv", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{packages[0]} cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    return python.parent


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("foreign")
    # The legacy client imports distutils' successor without saying so.
    return {
        "az": installed(folder / "az", AZURE_CLI) / "az",
        "databricks": installed(folder / "databricks", DATABRICKS_CLI, "setuptools<81") / "databricks",
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A machine on which the wizard has made all that the clients are to see, in one command."""
    machine = Machine(tmp_path_factory.mktemp("foreign-lab") / "home")
    with Ground.of(machine, speed=6000.0) as ground:
        done = ground.run("solve", *SECTIONS, "--token-in-profile", "yes", "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        yield ground
        machine.run("practice", "stop")


def answer(words: list[str], **variables: str) -> Any:
    """Run a client and return its answer, JSON where it is JSON."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AZURE_", "DATABRICKS_"))}
    done = subprocess.run(words, env={**kept, **variables}, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, f"{words[1:4]}: {done.stdout}\n{done.stderr}"
    try:
        return json.loads(done.stdout)
    except ValueError:
        return done.stdout


def prepared(ground: Ground) -> dict[str, str]:
    """Return the variables that `practice env` sets."""
    wanted = shell.settings(ground.cloud.endpoints, ground.cloud.state, {})
    return {name: value for name, value in wanted.items() if value is not None}


def profile_file(ground: Ground) -> Path:
    """Return the file with the Databricks CLI's profiles that the wizard wrote."""
    return Path(ground.cloud.endpoints["databricks_config_file"])


def test_the_legacy_databricks_cli_uses_the_profiles_that_the_wizard_wrote(
    made: Ground, programs: Mapping[str, Path]
) -> None:
    file = profile_file(made)
    profiles = configparser.ConfigParser()
    profiles.read(file, encoding="utf-8")
    assert {"dev", "pipeline"} <= set(profiles.sections())
    more, cli = prepared(made), str(programs["databricks"])
    for environment in ("dev", "pipeline"):
        # As the vendor's clients know a workspace in Azure: by the end of its name.
        assert profiles[environment]["host"].endswith(".azuredatabricks.net")
        asked = ["--output", "JSON", "--profile", environment]
        scopes = answer([cli, "secrets", "list-scopes", *asked], **more)
        listed = answer([cli, "secrets", "list", "--scope", "data-lake", *asked], **more)
        clusters = answer([cli, "clusters", "list", *asked], **more)
        found = {scope["name"]: scope["backend_type"] for scope in scopes["scopes"]}
        assert found == {"data-lake": "AZURE_KEYVAULT"}
        assert {secret["key"] for secret in listed["secrets"]} >= TEN
        assert [cluster["cluster_name"] for cluster in clusters["clusters"]] == ["cpu"]


def test_the_azure_cli_sees_groups_and_secrets_as_a_service_principal(
    made: Ground, programs: Mapping[str, Path], tmp_path: Path
) -> None:
    endpoints = made.cloud.endpoints
    principal, cli = endpoints["service_principal"], str(programs["az"])
    more = {**prepared(made), "AZURE_CONFIG_DIR": str(tmp_path / "azure")}
    arm = Arm(made.cloud, user_token(made.cloud))
    vaults = arm.ask("GET", "/providers/Microsoft.KeyVault/vaults", version="2026-02-01").json()["value"]
    vault = next(each for each in vaults if "-kv-d-" in each["name"])
    secret = f"{tmp_path / 'secret'}"
    Path(secret).write_text(principal["client_secret"], encoding="utf-8")
    sign_in = ["login", "--service-principal", "--username", principal["client_id"], "--password", f"@{secret}"]
    answer([cli, *sign_in, "--tenant", principal["tenant"]], **more)

    groups = answer([cli, "group", "list", "--output", "json"], **more)
    assert {"practice-db-dev", "practice-db-pipeline"} <= {group["name"] for group in groups}

    # The principal is Contributor: that includes access policies.
    group = vault["id"].split("/")[4]
    whose = [
        "--resource-group",
        group,
        "--name",
        vault["name"],
        "--object-id",
        made.cloud.control.status()["service_principal"],
    ]
    answer([cli, "keyvault", "set-policy", *whose, "--secret-permissions", "get", "list"], **more)
    listing = [cli, "keyvault", "secret", "list", "--vault-name", vault["name"], "--output", "json"]
    secrets = answer(listing, **more)
    assert {each["name"] for each in secrets} >= TEN
