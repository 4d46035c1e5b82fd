"""The functions and the kinds of resources that the lab's documents may name."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from hol_wizard import resources
from hol_wizard.engine.kinds import KINDS
from hol_wizard.engine.registry import ACTIONS, CHECKS, SOLVES, UNDOS
from hol_wizard.lab import loader
from hol_wizard.lab.declared import PREFIX

STEP_MODULES = (
    "declared",
    "set_up",
    "subscription",
    "tools",
    "workspace_resources",
    "cluster",
    "initial_data",
    "databricks_access",
    "service_principal",
    "program_rights",
    "secrets",
    "devops_project",
    "devops_users",
    "repository",
    "own_branch",
    "scientist_setup",
    "training_notebook",
    "inference_code",
    "pushed_work",
    "pull_request",
    "model_files",
    "train",
    "build_container",
    "test_container",
    "variable_group",
    "build_pipeline",
    "release",
)
"""The modules of `hol_wizard.steps` for the lab's sections."""


@cache
def load_steps() -> None:
    """Register the functions that the lab's documents name; the first screen does not need them."""
    for module in STEP_MODULES:
        import_module(f"hol_wizard.steps.{module}")
    for found in iter_modules(resources.__path__):
        import_module(f"{resources.__name__}.{found.name}")


def known_names() -> loader.Known:
    """Return the names of the functions that a document may use."""
    load_steps()
    checks, solves, undos = (
        frozenset(name for name in each if not name.startswith(PREFIX)) for each in (CHECKS, SOLVES, UNDOS)
    )
    return loader.Known(checks, solves, undos, frozenset(ACTIONS), KINDS)
