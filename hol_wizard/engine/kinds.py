"""The kinds of resources that lab documents name: `resource = "storage_container"` provides check, solve and undo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, TypeVar

from hol_wizard.engine import ownership
from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.registry import CHECKS, SOLVES, UNDOS, WORK_DEADLINE, Check, Work

Make = Callable[..., Resource[Any]]
M = TypeVar("M", bound=Make)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of resource under the name that documents use."""

    name: str
    make: Make
    """Function of the step's context and the arguments of `with`, which are all strings."""
    required: tuple[str, ...]
    optional: tuple[str, ...]
    uses: tuple[str, ...]
    """Placeholders of the environment that it uses implicitly: a step must be in environments that have them."""

    @property
    def arguments(self) -> tuple[str, ...]:
        """All its arguments."""
        return (*self.required, *self.optional)


KINDS: dict[str, Kind] = {}


def kind(
    name: str, *, uses: Sequence[str] = (), deadline: float = 20.0, work_deadline: float = WORK_DEADLINE
) -> Callable[[M], M]:
    """Register a class of resources, or a function that returns one, under the name that documents use.

    Its parameters after the context are the arguments of `with`; those with a default are optional.

    Args:
        name: `storage_container`.
        uses: Placeholders of the environment that it uses implicitly: `storage_account`.
        deadline: Seconds after which the runner stops waiting for its check.
        work_deadline: Seconds after which its solve and its undo stop at the next safe point.
    """

    def register(make: M) -> M:
        parameters = list(signature(make).parameters.values())[1:]
        KINDS[name] = Kind(
            name,
            make,
            tuple(each.name for each in parameters if each.default is Parameter.empty),
            tuple(each.name for each in parameters if each.default is not Parameter.empty),
            tuple(uses),
        )

        def of(context: Any) -> Resource[Any]:
            return make(context, **context.arguments)

        CHECKS[name] = Check(name, lambda context: ownership.check(of(context)), deadline)
        SOLVES[name] = Work(
            name,
            lambda context: _discard(ownership.solve(of(context))),
            lambda context: ownership.plan(of(context)),
            deadline=work_deadline,
        )
        UNDOS[name] = Work(
            name,
            lambda context: ownership.undo(of(context)),
            lambda context: ownership.plan_undo(of(context)),
            lambda context: ownership.marked(of(context)),
            work_deadline,
        )
        return make

    return register


def _discard(found: object) -> None:
    del found
