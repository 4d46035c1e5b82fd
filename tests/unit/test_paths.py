import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hol_wizard.errors import UsageError
from hol_wizard.lab.choices import Choices
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.paths import Home, as_text, for_programs, home_folder, unwritable, write_private


def test_one_variable_puts_everything_under_one_folder(tmp_path: Path) -> None:
    home = Home.default({"HOL_WIZARD_HOME": str(tmp_path)})
    files = [
        home.choices_file("azure", "jane"),
        home.ledger_file("azure", "jane"),
        home.progress_file("azure", "jane"),
        home.lock_file("azure", "jane"),
        home.log_file,
        home.practice_folder / "endpoints.json",
    ]
    assert all(file.is_relative_to(tmp_path) for file in files)
    assert len({*files}) == len(files)
    assert home.choices_file("azure", "jane").relative_to(home.config) == Path("azure/jane.toml")
    assert home.ledger_file("usgov", "jane").relative_to(home.state) == Path("usgov/jane/ledger.jsonl")


def test_without_it_the_system_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    assert Home.default({}).config.name == "hol-wizard"


def test_a_relative_home_does_not_move_with_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Home.default({"HOL_WIZARD_HOME": "here"}).state == tmp_path / "here" / "state"


def test_writable_folders_are_made_and_left_empty(tmp_path: Path) -> None:
    home = Home.default({"HOL_WIZARD_HOME": str(tmp_path / "new")})
    home.ensure_writable()
    assert list(home.state.iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("x", encoding="utf-8")
    for home in (Home(tmp_path / "config", in_the_way), Home(in_the_way / "below", tmp_path)):
        with pytest.raises(UsageError) as raised:
            home.ensure_writable()
        assert f"{in_the_way} is a file, but must be a folder" in raised.value.message
        assert "HOL_WIZARD_HOME" in raised.value.hint


@pytest.fixture
def locked_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that this test may not even look into, root or not."""
    if sys.platform == "win32":
        pytest.skip("Windows keeps a folder private by other means")
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0)
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(me)
        folder.chmod(0o700)


def test_a_folder_without_the_right_to_write_is_named(locked_folder: Path) -> None:
    with pytest.raises(UsageError, match=r"config: you may not write there\."):
        Home(locked_folder / "config", locked_folder / "state").ensure_writable()
    with pytest.raises(UsageError, match=r"a\.toml: you may not write there\."):
        write_private(locked_folder / "a.toml", b"data")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "the disk is read-only"),
        (errno.EACCES, "you may not write there"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_each_reason_has_its_own_words_and_remedy(tmp_path: Path, number: int, said: str) -> None:
    error = unwritable(tmp_path / "state", OSError(number, os.strerror(number)))
    assert error.message == f"Cannot write to {tmp_path / 'state'}: {said}."
    assert "HOL_WIZARD_HOME" in error.hint


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    write_private(file, b"before")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError):
        write_private(tmp_path / "folder", b"after")
    write_private(file, b"after")
    assert file.read_bytes() == b"after"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.toml", "folder"]


def test_a_name_as_long_as_any_can_be_written(tmp_path: Path) -> None:
    file = tmp_path / ("x" * 255)
    write_private(file, b"data")
    assert file.read_bytes() == b"data"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(sys.platform == "win32", reason="the account always has a folder there")
def test_an_account_without_a_home_folder_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(UsageError, match="home folder cannot be determined") as told:
        home_folder()
    assert "HOME" in told.value.hint


@pytest.mark.skipif(sys.platform == "win32", reason="names are UTF-16 there")
def test_programs_get_a_folder_in_utf_8_that_is_the_accounts_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert for_programs(tmp_path / "jose") == tmp_path / "jose"
    assert list(tmp_path.iterdir()) == []
    found = for_programs(tmp_path / "jos\udce9" / "job-work")
    own = tmp_path / f"hol-wizard-{os.getuid()}"
    assert found.parent == own
    assert own.stat().st_mode & 0o777 == 0o700
    assert for_programs(tmp_path / "jos\udce9" / "job-work") == found
    assert for_programs(tmp_path / "ann\udce9" / "job-work") != found
    own.chmod(0o777)
    with pytest.raises(PermissionError, match="others have access to it: remove it"):
        for_programs(tmp_path / "jos\udce9")
    own.rmdir()
    own.symlink_to(tmp_path)
    with pytest.raises(PermissionError, match="others have access to it: remove it"):
        for_programs(tmp_path / "jos\udce9")


@pytest.mark.skipif(sys.platform == "win32", reason="names are UTF-16 there")
def test_a_path_below_a_home_folder_that_is_not_in_utf_8_is_kept_from_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "jos\udce9"
    monkeypatch.setenv("HOME", str(home))
    assert as_text(str(home / "lab")) == "~/lab"
    assert as_text(str(home)) == "~"
    assert as_text(str(tmp_path / "lab")) == str(tmp_path / "lab")
    assert as_text(str(tmp_path / "lab\udce9")) == str(tmp_path / "lab\udce9")
    file = tmp_path / "choices.toml"
    Choices(prefix="contoso", clone_folder=str(home / "lab"), own_data_file=str(home / "data.csv")).save(file)
    assert 'clone_folder = "~/lab"' in file.read_text(encoding="utf-8")
    kept = Choices.load(file)
    assert (kept.clone_folder, kept.own_data_file) == (str(home / "lab"), str(home / "data.csv"))
    chosen = INPUTS["clone_folder"]
    assert chosen.normalise("~/lab") == str(home / "lab")
    assert chosen.validate("~/lab") == ""
    assert chosen.validate("~/lab\udce9") == "It cannot be a folder: it is not valid UTF-8."
