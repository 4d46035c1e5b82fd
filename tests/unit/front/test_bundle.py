"""`hol-wizard report`: what is in its file, and what is not."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest

from hol_wizard import headless
from hol_wizard.errors import UsageError
from hol_wizard.headless.bundle import Pseudonyms
from hol_wizard.paths import Home
from tests.front_fakes import FakeWizard

ID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.default({"HOL_WIZARD_HOME": str(tmp_path / "own")})


def contents(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_the_file_has_the_doctor_the_results_and_the_log_and_identifies_nobody(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("USERPROFILE" if sys.platform == "win32" else "HOME", str(tmp_path))
    home.log_file.parent.mkdir(parents=True)
    home.log_file.write_text(
        f"robin@contoso.com in {ID} opened {tmp_path}/x\nROBIN@contoso.com, sam@contoso.com\npassword=canary-report-1\n"
    )
    path = tmp_path / "report.zip"
    assert headless.bundle(FakeWizard().as_wizard(), home, path) == 0
    assert capsys.readouterr().out == f"{path}\n"
    found = contents(path)
    assert set(found) == {"about.txt", "doctor.json", "results.json", "log.txt"}
    assert json.loads(found["doctor.json"])["results"][0]["title"] == "Python"
    assert json.loads(found["results.json"])["results"]
    first, second, third = found["log.txt"].splitlines()
    assert (first, second) == ("person-1 in id-1 opened ~/x", "person-1, person-2")
    assert "canary" not in third
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o077 == 0


def test_a_file_that_exists_is_not_replaced(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "mine.zip"
    path.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        headless.bundle(FakeWizard().as_wizard(), home, path)
    assert path.read_text() == "mine"


def test_a_folder_that_does_not_exist_is_named(home: Home, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no folder"):
        headless.bundle(FakeWizard().as_wizard(), home, tmp_path / "none" / "a.zip")


def test_the_same_address_has_the_same_name_each_time() -> None:
    names = Pseudonyms()
    assert names.of(f"a@b.example {ID}") == names.of(f"A@B.example {ID.upper()}") == "person-1 id-1"
