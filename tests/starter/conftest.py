"""The starter is never imported from the package: each test has a copy of it, as an attendee has."""

from __future__ import annotations

import importlib
import io
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hol_wizard.services.census_stand_in import generate
from tests.starter.cloud import Cloud
from tests.starter.ground import HEADER, allowed, environment, ground, kept, kept_principals

__all__ = ["HEADER", "allowed", "environment", "ground", "kept", "kept_principals"]

STARTER = Path(__file__).parents[2] / "hol_wizard" / "starter"
DATA = Path(__file__).parents[3] / "shared" / "lab" / "data" / "AdultCensusIncome.csv"
Import = Callable[[str], ModuleType]


def copy_of_starter(to: Path) -> Path:
    shutil.copytree(STARTER, to, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    return to


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return copy_of_starter(tmp_path / "repository")


@pytest.fixture
def starter(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Import]:
    """Import a module of the copy, as the programs of the starter see it."""
    project = repository / "Project_One"
    places = [project, project / "notebooks", repository / "Project_One-Tests"]
    monkeypatch.setattr(sys, "path", [*map(str, places), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    importlib.invalidate_caches()
    yield importlib.import_module
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(repository)) or name == "notebooks":
            del sys.modules[name]


@pytest.fixture(scope="session")
def stand_in() -> Any:
    pandas = pytest.importorskip("pandas")
    return pandas.read_csv(io.BytesIO(generate(HEADER, 32561)))


@pytest.fixture
def assets(starter: Import, stand_in: Any, repository: Path) -> Path:
    """Trained on the stand-in, where the build would have put it."""
    training = starter("training")
    folder = repository / "Project_One" / "assets"
    training.save(training.train(stand_in), folder)
    return folder


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    one = Cloud()
    yield one
    one.close()
