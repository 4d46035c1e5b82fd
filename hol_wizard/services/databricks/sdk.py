"""databricks-sdk's generated service classes, loaded when first needed and without the rest of the SDK."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

from hol_wizard.services.answers import unexpected
from hol_wizard.services.error_rules import NAMES

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)

_LOADING = threading.Lock()


def _prepare() -> None:
    """Allow importing `databricks.sdk.service.…` without everything that `databricks.sdk` imports: a second, and 60 MB.

    A lazy module replaces the package and loads the rest when one of its names is needed
    (`from databricks.sdk import WorkspaceClient`). Nothing happens if the package is already loaded.
    """
    with _LOADING:
        if "databricks.sdk" in sys.modules:
            return
        spec = importlib.util.find_spec("databricks.sdk")
        if spec is None or spec.loader is None or spec.submodule_search_locations is None:
            raise ImportError("databricks-sdk is not installed", name="databricks.sdk")
        package = ModuleType("databricks.sdk")
        package.__path__ = list(spec.submodule_search_locations)
        package.__spec__, package.__file__, package.__loader__ = spec, spec.origin, spec.loader
        package.__package__ = "databricks.sdk"
        loader, filling = spec.loader, threading.RLock()

        def fill(name: str) -> Any:
            if not name.startswith("__"):
                with filling:
                    if package.__dict__.pop("__getattr__", None) is not None:
                        loader.exec_module(package)
                if name in package.__dict__:
                    return package.__dict__[name]
            raise AttributeError(f"module 'databricks.sdk' has no attribute {name!r}", name=name, obj=package)

        package.__getattr__ = fill  # type: ignore[method-assign] # PEP 562
        sys.modules["databricks.sdk"] = package
        setattr(importlib.import_module("databricks"), "sdk", package)  # noqa: B010 # as importing it would do


def compute() -> Any:
    """Return the SDK's module for clusters, libraries and commands."""
    _prepare()
    from databricks.sdk.service import compute as found

    return found


def iam() -> Any:
    """Return the SDK's module for people."""
    _prepare()
    from databricks.sdk.service import iam as found

    return found


def jobs() -> Any:
    """Return the SDK's module for jobs and their runs."""
    _prepare()
    from databricks.sdk.service import jobs as found

    return found


def settings() -> Any:
    """Return the SDK's module for tokens and settings."""
    _prepare()
    from databricks.sdk.service import settings as found

    return found


def workspace() -> Any:
    """Return the SDK's module for Git, the workspace's objects and secret scopes."""
    _prepare()
    from databricks.sdk.service import workspace as found

    return found


@contextmanager
def reading(thing: str) -> Iterator[None]:
    """Turn exceptions that an unexpected response causes in the SDK, or after it, into this project's error.

    Raises:
        InconclusiveError: The response cannot be read.
    """
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        logger.info("%s: an answer cannot be read", thing, exc_info=True)
        raise unexpected(f"{NAMES['databricks']} ({thing})", f"{type(error).__name__}: {error}"[:500]) from error


def reads(thing: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator for functions that read values from the SDK's objects: see `reading`."""

    def decorate(take: Callable[P, R]) -> Callable[P, R]:
        @wraps(take)
        def judged(*arguments: P.args, **named: P.kwargs) -> R:
            with reading(thing):
                return take(*arguments, **named)

        return judged

    return decorate


def needed(member: Any, name: str) -> str:
    """Return a member that a response must have, as text.

    Raises:
        ValueError: It is missing, empty, or neither a string nor a number.
    """
    if not isinstance(member, str | int) or isinstance(member, bool) or member == "":
        raise ValueError(f"{name} is missing or wrong")
    return str(member)


def value(member: Any) -> str:
    """Return the value of one of the SDK's enumerations; the SDK reads an unknown value as None."""
    return str(getattr(member, "value", None) or "UNKNOWN")


def moment(milliseconds: Any) -> datetime | None:
    """Return a time that the API returns in milliseconds; 0 and -1 mean never.

    Raises:
        ValueError: It is out of range.
    """
    if not isinstance(milliseconds, int | float) or milliseconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OSError, OverflowError) as error:
        raise ValueError(f"{milliseconds} milliseconds are no time") from error
