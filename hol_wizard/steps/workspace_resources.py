"""Section workspace-resources: the contents of each resource group."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from hol_wizard.engine import ownership
from hol_wizard.engine.registry import LONG_WORK_DEADLINE, Change, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import ServiceError
from hol_wizard.resources import machine_learning
from hol_wizard.resources.azure_resource import AzureResource
from hol_wizard.resources.context import StepContext

PROVIDERS = (
    "Microsoft.Databricks",
    "Microsoft.MachineLearningServices",
    "Microsoft.Storage",
    "Microsoft.KeyVault",
    "Microsoft.ContainerRegistry",
    "Microsoft.ManagedIdentity",
    "Microsoft.Insights",
    "Microsoft.OperationalInsights",
    "Microsoft.Compute",
)
"""Resource providers that the lab's resources belong to."""

REGISTRATION_USUALLY = 60.0
REGISTRATION_PATIENCE = 900.0
"""Seconds; Azure says that a registration can take several minutes."""


# Resource providers


def _provider_path(context: StepContext, provider: str) -> str:
    return f"/subscriptions/{context.names.subscription}/providers/{provider}"


def _registrations(context: StepContext) -> Mapping[str, str]:
    """Return each provider's registration state."""

    def state(provider: str) -> str:
        return str(context.services.arm.get(_provider_path(context, provider)).get("registrationState", "unknown"))

    with ThreadPoolExecutor(len(PROVIDERS)) as pool:
        return dict(zip(PROVIDERS, pool.map(state, PROVIDERS), strict=True))


@check(deadline=20)
def providers_registered(context: StepContext) -> Result:
    """Check whether the subscription can contain resources of all the types that the lab needs."""
    states = _registrations(context)
    seen = tuple(Expectation(name, "Registered", state, state == "Registered") for name, state in states.items())
    if any(state == "Registering" for state in states.values()) and not any(
        state in {"NotRegistered", "Unregistered"} for state in states.values()
    ):
        return Result(
            Status.WAITING,
            "The subscription is being prepared for these resource types.",
            seen,
            "Nothing to do: the wizard checks again automatically.",
            look_again_after=3,
            usually=REGISTRATION_USUALLY,
        )
    return judge(
        seen,
        passed="All resource providers are registered.",
        failed="Some resource providers are not registered.",
        next_action="To register them, <solve>, or ask an owner of the subscription to do so.",
    )


def _plan_registration(context: StepContext) -> Sequence[Change]:
    return [
        Change(
            "leave" if state == "Registered" else "change",
            "Resource provider",
            provider,
            "the whole subscription",
            "free",
            None if state == "Registered" else REGISTRATION_USUALLY,
            "is registered" if state == "Registered" else "register",
        )
        for provider, state in _registrations(context).items()
    ]


@solve(plan=_plan_registration)
def register_providers(context: StepContext) -> None:
    """Register the resource providers and wait until Azure says that they are.

    A registration serves everybody in the subscription, so it has no undo.
    """
    missing = [name for name, state in _registrations(context).items() if state != "Registered"]
    for provider in missing:
        context.reporter.stop_if_cancelled()
        context.reporter.say(f"Registering {provider} …")
        context.services.arm.post(f"{_provider_path(context, provider)}/register")
    deadline = time.monotonic() + REGISTRATION_PATIENCE
    while missing:
        context.reporter.progress(f"Registering: {', '.join(missing)}", REGISTRATION_USUALLY)
        context.reporter.wait(context.services.arm.poll_interval)
        states = _registrations(context)
        for provider in [name for name in missing if states[name] == "Registered"]:
            missing.remove(provider)
            context.reporter.say(f"{provider} is registered.")
        if missing and time.monotonic() > deadline:
            raise ServiceError(
                f"Azure is still registering {', '.join(missing)}.",
                "Check again in a few minutes; it continues automatically.",
            )


# Machine Learning workspace and the resources that it needs


@check(deadline=20)
def machine_learning_workspace_exists(context: StepContext) -> Result:
    """Check whether the environment's Machine Learning workspace exists."""
    return ownership.check(machine_learning.workspace(context))


def _plan_machine_learning(context: StepContext) -> Sequence[Change]:
    workspace = ownership.plan(machine_learning.workspace(context))
    if workspace[0].verb == "leave":
        return workspace
    parts = machine_learning.dependants(context)
    return [*(change for part in parts for change in ownership.plan(part)), *workspace]


@solve(plan=_plan_machine_learning, deadline=LONG_WORK_DEADLINE)
def create_machine_learning_workspace(context: StepContext) -> None:
    """Create the resources that the Machine Learning workspace needs, then the workspace."""
    workspace = machine_learning.workspace(context)
    if any(change.verb in {"create", "change"} for change in ownership.plan(workspace)):
        with ThreadPoolExecutor(3) as pool:
            storage, vault, logs, insights = machine_learning.dependants(context)
            begun: list[Future[object]] = [
                pool.submit(ownership.solve, storage),
                pool.submit(ownership.solve, vault),
                pool.submit(lambda: [ownership.solve(part) for part in (logs, insights)]),
            ]
            for part in begun:
                part.result()
    ownership.solve(workspace)


def _with_dependants(context: StepContext) -> tuple[AzureResource, ...]:
    return (machine_learning.workspace(context), *reversed(machine_learning.dependants(context)))


@undo(
    plan=lambda context: ownership.plan_undo_all(_with_dependants(context)),
    marked=lambda context: [each for part in _with_dependants(context) for each in ownership.marked(part)],
    deadline=LONG_WORK_DEADLINE,
)
def delete_machine_learning_workspace(context: StepContext) -> None:
    """Delete the Machine Learning workspace and what was created for it."""
    for part in _with_dependants(context):
        ownership.undo(part)
