"""The profiles' file: what is ours changes, and everything else stays letter for letter."""

from __future__ import annotations

import configparser
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from configupdater import ConfigUpdater

from hol_wizard.errors import ConflictError
from hol_wizard.services.databricks.profiles import (
    FILE,
    VARIABLE,
    CliProfile,
    DatabricksProfiles,
    default_file,
    same_host,
)
from hol_wizard.services.secrets import Secret

OURS = CliProfile("https://adb-1.2.azuredatabricks.net", "azure-cli", "tenant-1")
WRITTEN = "[dev]\nhost = https://adb-1.2.azuredatabricks.net\nauth_type = azure-cli\nazure_tenant_id = tenant-1\n"
PERSONS = (
    "; kept by hand\n[DEFAULT]\nhost  =  https://x  ; the old one\ntoken=dapi%28abc\n\n"
    "[Other]\n  Host: y\n# a note\ncluster_id = 7\n\n# what follows is mine\n[last]\na = 1\n"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / FILE


@pytest.fixture
def profiles(file: Path) -> DatabricksProfiles:
    return DatabricksProfiles(file)


def text(file: Path) -> str:
    return file.read_bytes().decode()


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_without_a_file_there_is_no_profile_and_writing_makes_one(profiles: DatabricksProfiles, file: Path) -> None:
    assert profiles.find("dev") is None
    profiles.write("dev", OURS)
    assert text(file) == WRITTEN
    assert profiles.find("dev") == OURS
    profiles.remove("dev")
    assert not file.exists()


def test_the_mark_line_stands_first_and_is_replaced_among_other_comments(
    profiles: DatabricksProfiles, file: Path
) -> None:
    file.write_text("[dev]\n; kept\n# hol-wizard: lab for there\n# a note\nhost = https://there\n", encoding="utf-8")
    found = profiles.find("dev")
    assert found is not None
    assert found.mark == "lab for there"
    profiles.write("dev", replace(OURS, mark="lab for here"))
    assert text(file).startswith("[dev]\n; kept\n# a note\n# hol-wizard: lab for here\nhost = https://adb-1.2")
    profiles.write("dev", OURS)
    assert "hol-wizard" not in text(file)
    assert "; kept\n# a note\n" in text(file)


def test_what_the_person_wrote_stays_letter_for_letter(profiles: DatabricksProfiles, file: Path) -> None:
    file.write_text(PERSONS, encoding="utf-8")
    profiles.write("dev", OURS)
    profiles.write("pipeline", OURS)
    assert text(file) == f"{PERSONS}\n{WRITTEN}\n{WRITTEN.replace('dev', 'pipeline')}"
    profiles.remove("dev")
    profiles.remove("pipeline")
    assert text(file) == PERSONS


def test_line_ends_of_windows_a_byte_order_mark_and_a_missing_last_line_end_are_kept(
    profiles: DatabricksProfiles, file: Path
) -> None:
    before = "\ufeff" + PERSONS.replace("\n", "\r\n").removesuffix("\r\n")
    file.write_bytes(before.encode())
    profiles.write("dev", OURS)
    assert text(file) == before + "\r\n\r\n" + WRITTEN.replace("\n", "\r\n")
    assert profiles.find("last") is not None
    profiles.remove("dev")
    assert text(file) == before + "\r\n"


def test_a_profile_in_the_middle_is_changed_where_it_stands(profiles: DatabricksProfiles, file: Path) -> None:
    file.write_text(
        "[a]\nx = 1\n\n[dev]\nhost = h\n; a note\ntoken = t\ncluster_id = 7\n\n[z]\ny = 2\n", encoding="utf-8"
    )
    found = profiles.find("dev")
    assert found is not None
    assert (found.host, found.token, found.others) == ("h", Secret("t"), ("cluster_id",))
    profiles.write("dev", OURS)
    assert text(file) == (
        "[a]\nx = 1\n\n[dev]\nhost = https://adb-1.2.azuredatabricks.net\n; a note\ncluster_id = 7\n"
        "auth_type = azure-cli\nazure_tenant_id = tenant-1\n\n[z]\ny = 2\n"
    )


def test_writing_the_same_again_writes_nothing(profiles: DatabricksProfiles, file: Path) -> None:
    profiles.write("dev", OURS)
    before = file.stat().st_mtime_ns, file.stat().st_ino
    profiles.write("dev", OURS)
    profiles.remove("pipeline")
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == before


def test_the_clients_of_databricks_read_what_is_written(profiles: DatabricksProfiles, file: Path) -> None:
    file.write_text(PERSONS, encoding="utf-8")
    value = "dapi-canary"
    profiles.write("dev", CliProfile("https://h", "pat", token=Secret(value)))
    # databricks-sdk for Python and the legacy CLI read it so.
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(file)
    assert (parser["dev"]["host"], parser["dev"]["token"]) == ("https://h", value)
    assert value not in repr(profiles.find("dev"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_a_new_file_and_one_with_a_token_are_for_the_owner_only(profiles: DatabricksProfiles, file: Path) -> None:
    profiles.write("dev", OURS)
    assert mode(file) == 0o600
    file.chmod(0o644)
    profiles.write("pipeline", OURS)
    assert mode(file) == 0o644
    profiles.write("dev", CliProfile("https://h", "pat", token=Secret("dapi")))
    assert mode(file) == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs a right there")
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles" / "databrickscfg", tmp_path / FILE
    real.parent.mkdir()
    real.write_text(PERSONS, encoding="utf-8")
    link.symlink_to(real)
    DatabricksProfiles(link).write("dev", OURS)
    assert link.is_symlink()
    assert text(real) == f"{PERSONS}\n{WRITTEN}"


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs a right there")
def test_a_link_that_leads_nowhere_is_told_and_nothing_is_made(tmp_path: Path) -> None:
    link = tmp_path / FILE
    link.symlink_to(tmp_path / "dotfiles" / "databrickscfg")
    with pytest.raises(ConflictError, match=r"it is a link to .*, which does not exist"):
        DatabricksProfiles(link).write("dev", OURS)
    assert list(tmp_path.iterdir()) == [link]


@pytest.mark.parametrize("word", ["write", "remove"])
def test_what_another_program_writes_in_between_is_kept(
    word: str, profiles: DatabricksProfiles, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles.write("dev", CliProfile("https://old"))
    before, parse = text(file), profiles._parse
    others = ["\n[theirs]\ntoken = dapi\n", "\n[more]\ntoken = dapi\n"]
    written = list(others)

    def slow(read: str) -> ConfigUpdater:
        if written:
            file.write_text(text(file) + written.pop(0), encoding="utf-8")
        return parse(read)

    monkeypatch.setattr(profiles, "_parse", slow)
    profiles.write("dev", OURS) if word == "write" else profiles.remove("dev")
    assert not written
    assert text(file).endswith("".join(others).lstrip())
    assert ("[dev]" in text(file)) == (word == "write")
    assert text(file) != before


def test_a_file_that_is_written_all_the_time_is_left_alone(
    profiles: DatabricksProfiles, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(PERSONS, encoding="utf-8")
    parse = profiles._parse

    def restless(read: str) -> ConfigUpdater:
        file.write_text(text(file) + "; again\n", encoding="utf-8")
        return parse(read)

    monkeypatch.setattr(profiles, "_parse", restless)
    with pytest.raises(ConflictError, match="keeps writing"):
        profiles.write("dev", OURS)
    assert text(file).startswith(PERSONS)
    assert "[dev]" not in text(file)
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.slow
def test_wizards_of_several_processes_lose_nothing(file: Path) -> None:
    file.write_text(PERSONS, encoding="utf-8")
    code = (
        "import sys; from pathlib import Path; from hol_wizard.services.databricks.profiles import *\n"
        "for n in range(10): DatabricksProfiles(Path(sys.argv[1])).write(f'{sys.argv[2]}-{n}', CliProfile('https://h'))"
    )
    root = Path(__file__).parents[3]
    started = [subprocess.Popen([sys.executable, "-c", code, str(file), name], cwd=root) for name in "abc"]
    assert [each.wait(60) for each in started] == [0, 0, 0]
    assert text(file).startswith(PERSONS)
    assert all(DatabricksProfiles(file).find(f"{name}-{n}") for name in "abc" for n in range(10))


@pytest.mark.parametrize(
    "broken",
    [
        "host = 1\n",
        "[a]\nb = 1\n[a]\nc = 2\n",
        "[a\ntoken = dapi-canary\n",
        "[a]\nb = 1\nb = dapi-canary\n",
        "[a]\n= dapi-canary\n",
        "[dev]\nhost = \xe4".encode("latin-1"),
    ],
)
def test_a_broken_file_is_named_and_left_as_it_is(
    profiles: DatabricksProfiles, file: Path, broken: str | bytes
) -> None:
    content = broken if isinstance(broken, bytes) else broken.encode()
    file.write_bytes(content)
    attempts: list[Callable[[], object]] = [
        lambda: profiles.find("dev"),
        lambda: profiles.write("dev", OURS),
        lambda: profiles.remove("dev"),
    ]
    for attempt in attempts:
        with pytest.raises(ConflictError) as caught:
            attempt()
        assert str(file) in caught.value.message
        assert caught.value.hint
        assert "canary" not in f"{caught.value.message}{caught.value.hint}{caught.value.detail}"
    assert file.read_bytes() == content
    assert list(file.parent.iterdir()) == [file]


def test_a_value_of_several_lines_without_a_first_one_is_told_and_kept(
    profiles: DatabricksProfiles, file: Path
) -> None:
    theirs = "[theirs]\nhost\n  dapi-canary\n  b = 1\n"
    file.write_text(theirs, "utf-8")
    with pytest.raises(ConflictError, match=r"in the profile \[theirs\], indented lines") as caught:
        profiles.find("theirs")
    assert "canary" not in f"{caught.value.message}{caught.value.hint}{caught.value.detail}"
    # Another profile can be used, and this one stays letter for letter.
    profiles.write("dev", OURS)
    assert profiles.find("dev") == OURS
    profiles.remove("dev")
    assert file.read_text("utf-8").startswith(theirs)


def test_a_folder_in_the_place_of_the_file_is_an_error_of_ours(profiles: DatabricksProfiles, file: Path) -> None:
    file.mkdir()
    with pytest.raises(ConflictError, match="cannot be read"):
        profiles.find("dev")


def test_both_environments_can_be_written_side_by_side(file: Path) -> None:
    names = [f"profile-{number}" for number in range(8)]
    threads = [threading.Thread(target=DatabricksProfiles(file).write, args=(name, OURS)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(DatabricksProfiles(file).find(name) == OURS for name in names)


def test_the_file_is_that_of_the_cli(tmp_path: Path, isolated: Path) -> None:
    assert default_file({VARIABLE: str(tmp_path / "other")}) == tmp_path / "other"
    assert default_file({}) == Path.home() / ".databrickscfg"
    assert default_file({VARIABLE: os.path.join("~", "mine")}) == Path.home() / "mine"  # noqa: PTH118 `~` stays as it is
    assert isolated in default_file({}).parents


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://adb-1.2.net", "adb-1.2.net/", True),
        ("https://ADB-1.2.net/?o=7", "https://adb-1.2.net", True),
        ("https://127.0.0.1:8", "https://127.0.0.1:9", False),
        ("https://eastus.azuredatabricks.net", "https://adb-1.2.azuredatabricks.net", False),
        ("", "", False),
    ],
)
def test_addresses_of_the_same_workspace_are_told(one: str, other: str, *, same: bool) -> None:
    assert same_host(one, other) is same


def test_the_file_of_a_user_who_is_unknown_is_nowhere() -> None:
    assert default_file({"DATABRICKS_CONFIG_FILE": "~nobody-is-called-so/cfg"}) == Path("~nobody-is-called-so/cfg")
