"""The starter is never imported from the package: each test has a copy of it, as an attendee has."""

from __future__ import annotations

import importlib
import io
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hol_wizard.services.sample_dataset import generate
from tests.starter.ground import HEADER, allowed, environment, ground, kept, kept_principals, registered

__all__ = ["HEADER", "allowed", "environment", "ground", "kept", "kept_principals", "registered"]

STARTER = Path(__file__).parents[2] / "hol_wizard" / "starter"
DATA = Path(__file__).parents[3] / "shared" / "lab" / "data" / "AdultCensusIncome.csv"
Import = Callable[[str], ModuleType]


def copy_of_starter(to: Path) -> Path:
    shutil.copytree(STARTER, to, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    return to


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return copy_of_starter(tmp_path / "repository")


@contextmanager
def imports_of(repository: Path) -> Iterator[Import]:
    """Import modules of a copy, as the programs of the starter see it."""
    project = repository / "Project_One"
    places = [project, project / "notebooks", repository / "Project_One-Tests"]
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*map(str, places), *sys.path])
        patch.setattr(sys, "dont_write_bytecode", True)
        importlib.invalidate_caches()
        yield importlib.import_module
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(repository)) or name == "notebooks":
            del sys.modules[name]


@pytest.fixture
def starter(repository: Path) -> Iterator[Import]:
    """Import a module of the copy, as the programs of the starter see it."""
    with imports_of(repository) as found:
        yield found


@pytest.fixture(scope="session")
def stand_in() -> Any:
    pandas = pytest.importorskip("pandas")
    return pandas.read_csv(io.BytesIO(generate(HEADER, 32561)))


@pytest.fixture(scope="session")
def trained(stand_in: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a training on the stand-in saves; made once, as the same data gives the same."""
    folder = tmp_path_factory.mktemp("trained")
    with imports_of(copy_of_starter(folder / "repository")) as starter:
        training = starter("training")
        training.save(training.train(stand_in), folder / "assets")
    return folder / "assets"


@pytest.fixture
def assets(trained: Path, repository: Path) -> Path:
    """Trained on the stand-in, where the build would have put it."""
    return Path(shutil.copytree(trained, repository / "Project_One" / "assets"))
