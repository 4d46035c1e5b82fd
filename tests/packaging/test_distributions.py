"""What is handed out: the wheel, the source distribution, the locks, and nothing of this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
NOT_BUILT_FROM = (".git", ".venv", ".uv", ".mypy_cache", ".ruff_cache", ".pytest_cache", "__pycache__")


def sources_in(folder: Path) -> Path:
    """Copy the working tree into a folder: a build leaves nothing behind here."""
    copy = folder / "hol-wizard"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_BUILT_FROM))
    return copy


def build(source: Path, to: Path, target: str) -> Path:
    """Build a wheel or an sdist with the backend that `pyproject.toml` names, and return the file."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(to)],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return next(to.glob("*.whl" if target == "wheel" else "*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    return build(sources_in(folder), folder / "dist", "wheel")


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    return build(sources_in(folder), folder / "dist", "sdist")


def names_in(file: Path) -> set[str]:
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as archive:
            return {*archive.namelist()}
    with tarfile.open(file) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode("utf-8"))


def files_of_package(*suffixes: str) -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "hol_wizard").rglob("*")
        if path.suffix in suffixes and "__pycache__" not in path.parts
    }


@pytest.mark.slow
def test_the_wheel_has_every_module_style_sheet_and_the_mark_of_types(wheel: Path) -> None:
    missing = (files_of_package(".py", ".tcss", ".json", ".md") | {"hol_wizard/py.typed"}) - names_in(wheel)
    assert not missing


def test_the_wheel_has_the_whole_lab(wheel: Path) -> None:
    documents = {f"hol_wizard/_screens/{path.name}" for path in (ROOT / "screens").glob("*.md")}
    assert len(documents) == 19
    assert documents | {"hol_wizard/_screens/lab.toml"} <= names_in(wheel)


def test_the_wheel_has_nothing_else(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in names_in(wheel)}
    assert {top.partition("-")[0] for top in tops} == {"hol_wizard"}
    assert not [name for name in names_in(wheel) if "__pycache__" in name or name.endswith((".sqlite", ".pem"))]


@pytest.mark.slow
def test_the_source_distribution_has_what_is_needed_to_build_and_test(sdist: Path) -> None:
    names = names_in(sdist)
    assert {
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "pyproject.toml",
        "screens/01-set-up.md",
        "tests/conftest.py",
    } <= names
    assert files_of_package(".py", ".tcss") <= names
    assert not [name for name in names if "__pycache__" in name or name.endswith((".sqlite", ".pem"))]


@pytest.mark.slow
def test_a_wheel_built_from_the_source_distribution_is_the_same(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    again = build(next(path for path in tmp_path.iterdir() if path.is_dir()), tmp_path / "dist", "wheel")
    assert names_in(again) == names_in(wheel)


def test_the_metadata_says_what_it_is(wheel: Path) -> None:
    metadata = metadata_of(wheel)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert metadata["Name"] == "hol-wizard"
    assert metadata["Version"] == project["version"]
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    assert len(metadata.get_all("Requires-Dist") or []) == len(project["dependencies"])
    assert "practice cloud" in str(metadata.get_payload())


def test_the_wheel_installs_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "hol-wizard = hol_wizard.__main__:main" in archive.read(name).decode()


# The locks


def locked(lock: str) -> dict[str, str]:
    """Return what a lock pins: names and versions."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_of_a_lock_has_its_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    requirements = text.replace("\\\n", " ").splitlines()
    assert requirements
    assert not [line for line in requirements if not re.match(r"[a-z0-9._-]+==\S+.* --hash=sha256:[0-9a-f]{64}", line)]


def test_the_locks_cover_what_the_project_asks_for() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[<>=!~\[; ]", each, maxsplit=1)[0].lower() for each in requirements}

    product, tests = locked("requirements.lock"), locked("requirements-dev.lock")
    assert names(pyproject["project"]["dependencies"]) <= {*product}
    assert names(pyproject["dependency-groups"]["dev"]) <= {*tests}
    assert product.items() <= tests.items(), "the tests are to run on what people get"


# What is in the repository


def tracked() -> list[Path]:
    """Return the files that git keeps, or skip where this is no clone."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("this is not a clone")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_the_host_of_a_package_registry() -> None:
    # In pieces, for otherwise this file would name them.
    hosts = (("py", "pi.org"), ("python", "hosted.org"), ("npm", "js.org"), ("anaconda", ".org"), ("golang", ".org"))
    pattern = re.compile("|".join(re.escape("".join(pieces)) for pieces in hosts).encode(), re.IGNORECASE)
    assert not [str(path) for path in tracked() if pattern.search(path.read_bytes())]


def test_nothing_is_tracked_that_a_tool_writes() -> None:
    names = {path.name for path in tracked()}
    assert "uv.lock" not in names
    assert not [name for name in names if name.endswith((".pyc", ".sqlite", ".pem", ".whl", ".log"))]
