from __future__ import annotations

import stat
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from hol_wizard.practice.arm import roles
from tests.practice.conftest import MACHINE_LEARNING
from tests.practice.machine_learning import ACCOUNT, MODELS, WORKSPACE, put_version
from tests.starter.conftest import Import
from tests.starter.ground import GROUP, PROXIES, Ground

DEV = {"state": "dev", "created_by": "jane"}


@pytest.fixture
def module(starter: Import, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    one = starter("model_registry")
    monkeypatch.setattr(one.time, "sleep", lambda _seconds: None)
    return one


@pytest.fixture
def registry(module: ModuleType, allowed: Ground) -> Any:
    """The registry for the lake's principal, who may register."""
    return allowed.registry(module, allowed.lake)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    one = tmp_path / "model"
    (one / "inner").mkdir(parents=True)
    for name in ("a.pkl", "b c.pkl", "d.pkl", "inner/e.pkl"):
        (one / name).write_bytes(name.encode())
    return one


def test_what_is_registered_can_be_found_and_fetched(registry: Any, folder: Path, tmp_path: Path) -> None:
    registry.register("m", folder, DEV)
    to = tmp_path / "assets"
    to.mkdir()
    files = registry.fetch(registry.newest("m", DEV), to)
    assert sorted(file.relative_to(to).as_posix() for file in files) == ["a.pkl", "b c.pkl", "d.pkl", "inner/e.pkl"]
    assert (to / "b c.pkl").read_bytes() == b"b c.pkl"
    (folder / "d.pkl").unlink()
    registry.register("m", folder, DEV)
    assert len(registry.fetch(registry.newest("m", DEV), to)) == 3
    assert not (to / "d.pkl").exists()


@pytest.mark.parametrize("place", ["mine.pkl", "a.pkl", "inner/mine.pkl"])
@pytest.mark.parametrize("fetched", [False, True])
def test_a_file_that_was_not_fetched_is_never_removed(
    registry: Any, module: ModuleType, folder: Path, tmp_path: Path, place: str, *, fetched: bool
) -> None:
    registry.register("m", folder, DEV)
    to = tmp_path / "assets"
    if fetched:
        registry.fetch(registry.newest("m", DEV), to)
        place = f"{place}.mine"
    (to / place).parent.mkdir(parents=True, exist_ok=True)
    (to / place).write_bytes(b"mine")
    before = {each: each.read_bytes() for each in to.rglob("*") if each.is_file()}
    with pytest.raises(module.RegistryError, match="which was not fetched"):
        registry.fetch(registry.newest("m", DEV), to)
    assert {each: each.read_bytes() for each in to.rglob("*") if each.is_file()} == before


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_link_in_the_place_of_the_folder_is_not_followed(
    registry: Any, module: ModuleType, folder: Path, tmp_path: Path
) -> None:
    registry.register("m", folder, DEV)
    (tmp_path / "mine").mkdir()
    (tmp_path / "assets").symlink_to(tmp_path / "mine")
    with pytest.raises(module.RegistryError, match="not a folder of its own"):
        registry.fetch(registry.newest("m", DEV), tmp_path / "assets")


def test_the_attendee_fetches_what_the_principal_registered(
    module: ModuleType, registry: Any, allowed: Ground, folder: Path, tmp_path: Path
) -> None:
    registered = registry.register("m", folder, DEV)
    attendee = allowed.registry_of_attendee(module)
    assert attendee.newest("m", DEV) == registered
    # An owner of the subscription has no data role.
    with pytest.raises(module.ServiceError, match=r"AuthorizationPermissionMismatch.*Storage Blob Data Reader"):
        attendee.fetch(registered, tmp_path / "assets")
    allowed.give(allowed.attendee, roles.STORAGE_BLOB_DATA_READER, ACCOUNT)
    assert len(attendee.fetch(registered, tmp_path / "assets")) == 4


def test_each_role_that_is_missing_is_named(module: ModuleType, ground: Ground, folder: Path) -> None:
    registry = ground.registry(module, ground.lake)
    with pytest.raises(module.ServiceError, match=r"403 AuthorizationFailed.*AzureML Data Scientist on lab-ml"):
        registry.register("m", folder, DEV)
    ground.give(ground.lake, roles.AZUREML_DATA_SCIENTIST, WORKSPACE)
    with pytest.raises(module.ServiceError, match=r"AuthorizationPermissionMismatch.*Storage Blob Data Contributor"):
        registry.register("m", folder, DEV)
    assert ground.arm.error("GET", f"{MODELS}/m", version=MACHINE_LEARNING) == (404, "UserError")
    ground.give(ground.lake, roles.STORAGE_BLOB_DATA_CONTRIBUTOR, ACCOUNT)
    assert registry.register("m", folder, DEV).version == "1"


def test_the_newest_is_found_among_all_pages_by_number(registry: Any, allowed: Ground) -> None:
    for number in range(1, 34):
        put_version(allowed.arm, number, tags=DEV if number < 33 else {"state": "dev", "created_by": "joe"})
    assert registry.newest("m", DEV).version == "32"
    assert registry.newest("m", {"state": "dev"}).version == "33"


def test_an_archived_version_keeps_its_number_and_is_not_used(registry: Any, allowed: Ground, folder: Path) -> None:
    registry.register("m", folder, DEV)
    put_version(allowed.arm, 2, tags=DEV)
    put_version(allowed.arm, 2, status=200, isArchived=True)
    assert registry.newest("m", DEV).version == "1"
    assert registry.register("m", folder, DEV).version == "3"


def test_no_such_model_names_the_ones_that_are_there(module: ModuleType, registry: Any, folder: Path) -> None:
    with pytest.raises(module.RegistryError, match="has not been registered at all"):
        registry.newest("m", DEV)
    registry.register("m", folder, {"state": "dev", "created_by": "joe"})
    with pytest.raises(module.RegistryError, match=r"state=dev, created_by=joe.*STATE and AUTHOR"):
        registry.newest("m", DEV)


def test_a_workspace_that_is_not_there_is_no_missing_model(module: ModuleType, allowed: Ground) -> None:
    allowed.give(allowed.lake, roles.READER, GROUP)
    with pytest.raises(module.ServiceError, match="404 ResourceNotFound"):
        allowed.registry(module, allowed.lake, "nothing").newest("m", DEV)


def test_a_number_that_somebody_else_has_used_is_not_written_over(
    registry: Any, allowed: Ground, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_version(allowed.arm, 1, tags={"created_by": "joe"})
    # The list was read before joe's version was there.
    numbers = iter([1, 1, 2])
    monkeypatch.setattr(registry, "_next_version", lambda _name: next(numbers))
    assert registry.register("m", folder, DEV).version == "2"
    assert registry.newest("m", {"created_by": "joe"}).version == "1"


def test_what_the_service_finds_wrong_is_not_tried_again(module: ModuleType, registry: Any, folder: Path) -> None:
    with pytest.raises(module.ServiceError, match=r"400 UserError: The model name '-m' is invalid"):
        registry.register("-m", folder, DEV)


def test_an_answer_that_was_lost_makes_no_second_version(registry: Any, folder: Path, allowed: Ground) -> None:
    allowed.cloud.control.fault("drop", method="PUT", path="/models/m/versions/1", after=True, times=1)
    assert registry.register("m", folder, DEV).version == "1"
    found = allowed.arm.ask("GET", f"{MODELS}/m/versions", version=MACHINE_LEARNING).json()["value"]
    assert [each["name"] for each in found] == ["1"]


def test_a_busy_service_is_asked_again(registry: Any, folder: Path, allowed: Ground) -> None:
    faults = allowed.cloud.control
    faults.fault("throttle", service="resource_manager", path="/datastores", times=1)
    faults.fault("unavailable", service="storage_blob", method="PUT", times=1)
    faults.fault("unavailable", service="active_directory", times=1)
    assert registry.register("m", folder, DEV).version == "1"
    assert not faults.faults()


def test_a_wrong_secret_says_what_entra_said_and_not_the_secret(module: ModuleType, ground: Ground) -> None:
    principal = module.ServicePrincipal(ground.lake.app_id, "wr0ng", ground.token_endpoint)
    with pytest.raises(module.ServiceError, match="AADSTS7000215") as raised:
        principal.token(module.ARM)
    assert "wr0ng" not in f"{raised.value}{principal!r}"


def test_a_token_is_asked_for_once(module: ModuleType, ground: Ground) -> None:
    principal = module.ServicePrincipal(ground.lake.app_id, ground.lake.secret, ground.token_endpoint)
    since = ground.cloud.log_size()
    assert len({principal.token(module.ARM) for _ in range(3)}) == 1
    assert principal.token(module.STORAGE) != principal.token(module.ARM)
    asked = [each["url"].rpartition("/")[2] for each in ground.cloud.exchanges(since)]
    assert asked == ["token", "token"]


def test_nobody_answers(module: ModuleType) -> None:
    with pytest.raises(module.RegistryError, match=r"Could not look: 127.0.0.1:9 does not answer"):
        module.send("GET", "http://127.0.0.1:9/", what="look")


class Misleading(BaseHTTPRequestHandler):
    """Answers what no service of the lab ever answers."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        body = b'{"value": [], "nextLink": "https://elsewhere.example/more"}'
        self.send_response(302 if self.path == "/here" else 200)
        self.send_header("Location", "/there")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name is given
        return


@pytest.fixture
def misleading(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a server that leads elsewhere."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    Misleading.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Misleading) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_redirect_is_not_followed(module: ModuleType, misleading: str) -> None:
    with pytest.raises(module.ServiceError, match="302"):
        module.send("GET", f"{misleading}/here", {"Authorization": "Bearer x"}, what="look")
    assert Misleading.asked == ["/here"]


def test_a_list_that_goes_on_elsewhere_gets_no_token(module: ModuleType, misleading: str) -> None:
    tokens = module.GivenTokens({module.ARM: "x"})
    registry = module.Registry(module.Workspace("s", "g", "w"), tokens, module.Services(arm_url=misleading))
    with pytest.raises(module.RegistryError, match="no token is sent there"):
        registry.newest("m", DEV)


def test_a_certificate_that_is_not_trusted_is_said(
    module: ModuleType, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with pytest.raises(module.RegistryError, match=r"CERTIFICATE_VERIFY_FAILED.*REQUESTS_CA_BUNDLE"):
        module.send("GET", f"{ground.cloud.endpoints['active_directory']}/", what="sign in")


def test_no_file_is_written_outside_of_the_folder(module: ModuleType, registry: Any, tmp_path: Path) -> None:
    uri = f"{registry.workspace.datastores}workspaceblobstore/paths/models/m/1"
    registry._list = lambda _container, _prefix: iter(["models/m/1/../../../evil"])
    with pytest.raises(module.RegistryError, match="outside"):
        registry.fetch(module.Version("m", "1", {}, uri), tmp_path / "assets")


def test_who_signs_in_is_told_by_the_environment(module: ModuleType) -> None:
    principal = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"}
    assert isinstance(module.sign_in_of({}), module.AzureCli)
    assert isinstance(module.sign_in_of({**principal, "AZURE_CLIENT_SECRET": ""}), module.AzureCli)
    found = module.sign_in_of(principal)
    assert found == module.ServicePrincipal("c", "s", "https://login.microsoftonline.com/t/oauth2/token")
    elsewhere = module.sign_in_of({**principal, "AZURE_AUTHORITY_HOST": "https://127.0.0.1:1/"})
    assert elsewhere == module.ServicePrincipal("c", "s", "https://127.0.0.1:1/t/oauth2/token")
    given = module.sign_in_of({"ARM_ACCESS_TOKEN": "a", "STORAGE_ACCESS_TOKEN": "b"})
    assert (given.token(module.ARM), given.token(module.STORAGE)) == ("a", "b")
    with pytest.raises(module.RegistryError, match="no token for https://elsewhere"):
        given.token("https://elsewhere")


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for az is a shell script")
def test_the_azure_cli_gives_a_token_or_says_why_not(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "az"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", str(program.parent))
    with pytest.raises(module.RegistryError, match="not installed"):
        module.AzureCli().token(module.ARM)
    told = '#!/bin/sh\necho "{\\"accessToken\\": \\"%s of $4\\", \\"expires_on\\": %d}"\n'
    program.write_text(told % ("first", time.time() + 3600), encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    signed_in = module.AzureCli()
    assert signed_in.token(module.ARM) == f"first of {module.ARM}"
    program.write_text(told % ("second", time.time() + 60), encoding="utf-8")
    assert signed_in.token(module.ARM) == f"first of {module.ARM}"
    # One that ends within five minutes is not used again.
    assert signed_in.token(module.STORAGE) == f"second of {module.STORAGE}"
    program.write_text(told % ("third", time.time() + 3600), encoding="utf-8")
    assert signed_in.token(module.STORAGE) == f"third of {module.STORAGE}"
    signed_in = module.AzureCli()
    program.write_text("#!/bin/sh\necho \"ERROR: Please run 'az login'\" >&2; exit 1\n", encoding="utf-8")
    with pytest.raises(module.RegistryError, match=r"gave no token: ERROR: Please run 'az login'"):
        signed_in.token(module.ARM)


def test_sovereign_clouds_are_told_by_the_environment(module: ModuleType) -> None:
    assert module.Services.of({}) == module.Services()
    china = module.Services.of(
        {"ARM_URL": "https://management.chinacloudapi.cn/", "ARM_AUDIENCE": "https://management.chinacloudapi.cn"}
    )
    assert china.arm_url == china.arm_audience == "https://management.chinacloudapi.cn"
    # As databricks-sdk has them (`environments.py`, service_management_endpoint).
    assert china.management_audience == "https://management.core.chinacloudapi.cn/"
    assert module.Services().management_audience == "https://management.core.windows.net/"


def test_an_empty_folder_is_not_registered(module: ModuleType, registry: Any, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(module.RegistryError, match="is empty"):
        registry.register("m", empty, DEV)
