"""Chooses the workbench: with an engine that responds, or, on a practice cloud, without one."""

from __future__ import annotations

from pathlib import Path

from hol_wizard.errors import UnreachableError
from hol_wizard.services.containers.engine import Engine
from hol_wizard.services.containers.with_engine import EngineWorkbench
from hol_wizard.services.containers.without_container import ContainerlessWorkbench
from hol_wizard.services.containers.workbench import Workbench


def open_workbench(engine: Engine, practice_python: Path | None) -> Workbench:
    """Return the workbench of this machine.

    Args:
        engine: The container engine.
        practice_python: The Python that a cloud on this machine offers instead of one; None: it is not for practice.

    Raises:
        UnreachableError: No engine responds, and the cloud requires one.
    """
    found = engine.probe()
    if not found.problem:
        return EngineWorkbench(engine)
    if practice_python is None:
        raise UnreachableError(found.problem, found.remedy)
    return ContainerlessWorkbench(practice_python)
