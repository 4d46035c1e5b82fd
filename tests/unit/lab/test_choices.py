import stat
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hol_wizard.errors import UsageError
from hol_wizard.lab.choices import Choices, problem_with_profile


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "azure" / "default.toml"


def write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def test_choices_come_back_as_they_were_saved(file: Path) -> None:
    saved = Choices(prefix="contoso", location="westeurope", alias="zoë", subscription_name='O\'Brien "A"').save(file)
    assert Choices.load(file) == saved
    assert saved.updated.endswith("+00:00")


def test_without_a_file_nothing_is_chosen(file: Path) -> None:
    assert Choices.load(file) == Choices()


def test_the_lab_id_is_made_once(file: Path) -> None:
    first = Choices(prefix="contoso").save(file)
    assert len(first.lab_id) == 8
    assert Choices(prefix="fabrikam").save(file).lab_id == first.lab_id
    assert Choices().save(file.with_name("other.toml")).lab_id != first.lab_id


def test_keys_that_this_version_does_not_know_are_kept(file: Path) -> None:
    write(file, b'prefix = "contoso"\nproctor = "Ann"\n[later]\nnumbers = [1, 2]\n')
    Choices.load(file).save(file)
    Choices(prefix="fabrikam").save(file)
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    assert table["prefix"] == "fabrikam"
    assert table["proctor"] == "Ann"
    assert table["later"] == {"numbers": [1, 2]}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a home folder private by other means")
def test_the_file_is_for_its_owner_only_and_no_draft_is_left(file: Path) -> None:
    Choices(prefix="contoso").save(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("data", "line", "said"),
    [
        (b'prefix = "contoso"\nlocation = west\n', 2, "not TOML"),
        (b'prefix = "contoso"\n\nalias = "', 3, "not TOML"),
        (b"{\n}\n", 1, "not TOML"),
        (b"[tool.black]\nline-length = 3\n", 1, "not a profile"),
        (b'location = "x"\nprefix = 3\n', 2, "prefix must be a string"),
        (b'prefix = "a"\nversion = 2\n', 2, "version 2"),
        (b'prefix = "a"\nalias = "\xff"\n', 2, "not UTF-8"),
    ],
)
def test_a_broken_or_foreign_file_is_named_with_its_line_and_never_overwritten(
    file: Path, data: bytes, line: int, said: str
) -> None:
    write(file, data)
    acts: tuple[Callable[[], Choices], ...] = (
        lambda: Choices.load(file),
        lambda: Choices(prefix="fabrikam").save(file),
    )
    for act in acts:
        with pytest.raises(UsageError) as raised:
            act()
        assert raised.value.message.startswith(f"{file}:{line}: ")
        assert said in raised.value.message
        assert raised.value.hint
        assert file.read_bytes() == data


def test_a_folder_in_the_place_of_the_file_is_told(file: Path) -> None:
    file.mkdir(parents=True)
    with pytest.raises(UsageError, match="is not a file"):
        Choices.load(file)


@pytest.mark.parametrize("name", ["default", "jane", "Seat-12", "a_b", "7"])
def test_a_safe_name_can_be_a_profile(name: str) -> None:
    assert problem_with_profile(name) == ""


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\\b", "a.b", "-a", "con", "COM1", "azure", "ä", "a\n", "x" * 41]
)
def test_what_is_no_safe_name_of_a_file_cannot_be_a_profile(name: str) -> None:
    assert problem_with_profile(name)


def test_a_byte_order_mark_of_an_editor_is_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "default.toml"
    file.write_text('\ufeffprefix = "contoso"\n', encoding="utf-8")
    assert Choices.load(file).prefix == "contoso"
    assert replace(Choices.load(file), alias="jane").save(file).prefix == "contoso"
