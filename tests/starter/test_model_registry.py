from __future__ import annotations

import stat
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.starter import cloud as fake
from tests.starter.cloud import Answer, Cloud, refused
from tests.starter.conftest import Import

DEV = {"state": "dev", "created_by": "jane"}


@pytest.fixture
def module(starter: Import, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    one = starter("model_registry")
    monkeypatch.setattr(one.time, "sleep", lambda _seconds: None)
    return one


@pytest.fixture
def registry(module: ModuleType, cloud: Cloud) -> Any:
    return module.Registry(
        module.Workspace(fake.SUBSCRIPTION, fake.GROUP, fake.WORKSPACE),
        module.ServicePrincipal(fake.APP_ID, fake.PASSWORD, f"{cloud.url}/tenant/oauth2/token"),
        module.Services.of(cloud.environment),
    )


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


def test_the_newest_is_found_among_all_pages_by_number(registry: Any, folder: Path) -> None:
    for _ in range(10):
        registry.register("m", folder, DEV)
    registry.register("m", folder, {"state": "dev", "created_by": "joe"})
    assert registry.newest("m", DEV).version == "10"
    assert registry.newest("m", {"state": "dev"}).version == "11"


def test_no_such_model_names_the_ones_that_are_there(module: ModuleType, registry: Any, folder: Path) -> None:
    with pytest.raises(module.RegistryError, match="has not been registered at all"):
        registry.newest("m", DEV)
    registry.register("m", folder, {"state": "dev", "created_by": "joe"})
    with pytest.raises(module.RegistryError, match=r"state=dev, created_by=joe.*STATE and AUTHOR"):
        registry.newest("m", DEV)


def test_a_workspace_that_is_not_there_is_no_missing_model(module: ModuleType, cloud: Cloud) -> None:
    sign_in = module.ServicePrincipal(fake.APP_ID, fake.PASSWORD, f"{cloud.url}/tenant/oauth2/token")
    nowhere = module.Workspace(fake.SUBSCRIPTION, fake.GROUP, "nothing")
    with pytest.raises(module.ServiceError, match="404 ResourceNotFound"):
        module.Registry(nowhere, sign_in, module.Services.of(cloud.environment)).newest("m", DEV)


def test_a_number_that_somebody_else_took_is_not_written_over(registry: Any, folder: Path, cloud: Cloud) -> None:
    registry.register("m", folder, {"state": "dev", "created_by": "joe"})
    # The list was read before joe's version was there.
    cloud.next_answers.append((r"GET .*/versions$", Answer(200, {"value": []})))
    assert registry.register("m", folder, DEV).version == "2"
    assert registry.newest("m", {"created_by": "joe"}).version == "1"


def test_an_answer_that_was_lost_makes_no_second_version(registry: Any, folder: Path, cloud: Cloud) -> None:
    cloud.next_answers.append((r"PUT .*/versions/1$", None))
    assert registry.register("m", folder, DEV).version == "1"
    assert list(cloud.versions["m"]) == ["1"]


def test_a_refused_role_is_named(module: ModuleType, registry: Any, folder: Path, cloud: Cloud) -> None:
    cloud.next_answers.append((r"GET .*/datastores", refused(403, "AuthorizationFailed", "The client has no right.")))
    with pytest.raises(module.ServiceError, match=r"403 AuthorizationFailed.*AzureML Data Scientist on jane-ml-dev"):
        registry.register("m", folder, DEV)
    cloud.next_answers.append((r"PUT /blob/", Answer(403, b"", {"x-ms-error-code": "AuthorizationPermissionMismatch"})))
    with pytest.raises(module.ServiceError, match=r"AuthorizationPermissionMismatch.*Storage Blob Data Contributor"):
        registry.register("m", folder, DEV)
    assert "m" not in cloud.versions


def test_a_busy_service_is_asked_again(registry: Any, folder: Path, cloud: Cloud) -> None:
    cloud.next_answers += [
        (r"GET .*/datastores", Answer(429, {}, {"Retry-After": "1"})),
        (r"PUT /blob/", Answer(503, b"")),
        (r"POST .*/token", Answer(500, b"")),
    ]
    assert registry.register("m", folder, DEV).version == "1"


def test_a_wrong_secret_says_what_entra_said_and_not_the_secret(module: ModuleType, cloud: Cloud) -> None:
    principal = module.ServicePrincipal(fake.APP_ID, "wr0ng", f"{cloud.url}/tenant/oauth2/token")
    with pytest.raises(module.ServiceError, match="AADSTS7000215") as raised:
        principal.token(module.ARM)
    assert "wr0ng" not in f"{raised.value}{principal!r}"


def test_a_token_is_asked_for_once(module: ModuleType, cloud: Cloud) -> None:
    principal = module.ServicePrincipal(fake.APP_ID, fake.PASSWORD, f"{cloud.url}/tenant/oauth2/token")
    assert [principal.token(module.ARM) for _ in range(3)] == [fake.ARM_TOKEN] * 3
    assert cloud.requests == [("POST", "/tenant/oauth2/v2.0/token")]


def test_nobody_answers(module: ModuleType) -> None:
    with pytest.raises(module.RegistryError, match=r"Could not look: 127.0.0.1:9 does not answer"):
        module.send("GET", "http://127.0.0.1:9/", what="look")


def test_a_redirect_is_not_followed(module: ModuleType, cloud: Cloud) -> None:
    cloud.next_answers.append(("GET /here", Answer(302, b"", {"Location": f"{cloud.url}/there"})))
    with pytest.raises(module.ServiceError, match="302"):
        module.send("GET", f"{cloud.url}/here", {"Authorization": "Bearer x"}, what="look")
    assert cloud.requests == [("GET", "/here")]


def test_a_list_that_goes_on_elsewhere_gets_no_token(module: ModuleType, registry: Any, cloud: Cloud) -> None:
    page = {"value": [], "nextLink": "https://elsewhere.example/more"}
    cloud.next_answers.append((r"GET .*/versions$", Answer(200, page)))
    with pytest.raises(module.RegistryError, match="no token is sent there"):
        registry.newest("m", DEV)


def test_no_file_is_written_outside_of_the_folder(module: ModuleType, registry: Any, tmp_path: Path) -> None:
    uri = f"{registry.workspace.datastores}workspaceblobstore/paths/models/m/1"
    registry._list = lambda _container, _prefix: iter(["models/m/1/../../../evil"])
    with pytest.raises(module.RegistryError, match="outside"):
        registry.fetch(module.Version("m", "1", {}, uri), tmp_path / "assets")


def test_who_signs_in_is_told_by_the_environment(module: ModuleType, cloud: Cloud) -> None:
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


def test_an_empty_folder_is_not_registered(module: ModuleType, registry: Any, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(module.RegistryError, match="is empty"):
        registry.register("m", empty, DEV)
