"""Section cluster: what runs the notebooks."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from hol_wizard.engine.ledger import Fact
from hol_wizard.engine.registry import Change, action, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.errors import AccessDeniedError, ConflictError, NotFoundError, ServiceError, WizardError
from hol_wizard.lab.model import Environment
from hol_wizard.resources.azure_resource import TAG
from hol_wizard.resources.cluster import (
    CHANGING,
    IDLE_MINUTES,
    KIND,
    NAME,
    PATIENCE,
    STARTS,
    STOPPED,
    STOPS,
    await_cluster,
    await_start,
    choose,
    clusters,
    find,
    idling,
    idling_of,
    ledger_id,
    minutes_of,
    ours,
    start,
    state_of,
    trouble_of,
)
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.visibility import Unseen, databricks_viewer, unseen
from hol_wizard.resources.workspace import (
    open_for_undo,
    open_workspace,
    plan_inside,
    workspace,
    workspace_id,
    write_off,
)
from hol_wizard.services.databricks.client import Databricks
from hol_wizard.services.databricks.clusters import SINGLE_USER_MODES, Cluster, ClusterSpec
from hol_wizard.services.databricks.machines import NodeType, Runtime
from hol_wizard.services.databricks.people import User

CORES: Final = 4
"""Of one machine: the smallest on which the lab's code has been seen to run."""
WORKERS: Final = (2, 8)
"""Fewest and most, as in the lab of 2019, for those who want it so."""
COST: Final = (
    "the most expensive thing in this lab: its virtual machines, their disks and Databricks units, each hour that it "
    f"runs, used or not; it ends by itself after {IDLE_MINUTES} idle minutes"
)

_QUOTAS = "https://aka.ms/ProdportalCRP/?#blade/Microsoft_Azure_Capacity/UsageAndQuota.ReactView"


# The workspace


@check(deadline=20)
def let_in(context: StepContext) -> Result:
    """Look whether the workspace knows the account.

    The question does not name the Azure resource, so it makes nobody an administrator.
    """
    name = context.here.databricks_workspace
    here = workspace(context)
    try:
        user = here.me()
    except AccessDeniedError as error:
        return Result(
            Status.FAILED,
            f"The workspace {name} does not know you yet.",
            (Expectation("Workspace", "lets you in", "refuses you", met=False),),
            "Select Launch Workspace in the portal, or let the wizard knock (do it for me).",
            error.detail,
        )
    return Result(
        Status.PASSED,
        f"The workspace {name} lets you in.",
        (
            Expectation("Workspace", "lets you in", f"as {user.name}", met=True),
            Expectation("Address", "of its own", here.host, met=True),
        ),
    )


def _plan_launch(context: StepContext) -> Sequence[Change]:
    name = context.here.databricks_workspace
    note = "you become an administrator of it, as Owner or Contributor of its Azure resource"
    return (Change("change", "Databricks workspace", name, context.here.resource_group, "free", 5, note),)


@solve(plan=_plan_launch)
def launch(context: StepContext) -> None:
    """Ask the workspace as the portal's button does, so that it lets an Owner or Contributor in.

    Raises:
        AccessDeniedError: The account is neither.
    """
    here = workspace(context)
    context.channel.stop_if_cancelled()
    context.channel.say(f"Asking {here.host} to let you in …")
    user = here.join()
    role = "an administrator" if user.administrator else "a user"
    context.channel.say(f"{user.name} is {role} of the workspace.")


# What it should be


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person chose for the cluster."""

    workers: tuple[int, int] | None
    """None: a single node."""
    node_type: str
    """Empty: any that fits."""

    @property
    def size(self) -> str:
        """The size in words."""
        return "a single node" if self.workers is None else f"{self.workers[0]} to {self.workers[1]} workers"

    @property
    def machines(self) -> int:
        """How many machines it starts with."""
        return 1 if self.workers is None else 1 + self.workers[0]


def wish(context: StepContext) -> Wish:
    """Return what is in force: given for this run, else saved, else the default."""

    def value(name: str) -> str:
        return context.inputs.get(name) or context.profile.settings.value(name)

    return Wish(WORKERS if value("cluster_size") == "autoscaling" else None, value("node_type"))


def _size_of(cluster: Cluster) -> str:
    if cluster.single_node:
        return "a single node"
    fewest, most = cluster.workers
    return f"{fewest} to {most} workers" if fewest != most else f"{fewest} workers"


def _mode_of(cluster: Cluster) -> str:
    if cluster.access_mode in SINGLE_USER_MODES:
        return f"dedicated to {cluster.user or 'nobody'}"
    return cluster.access_mode.removeprefix("DATA_SECURITY_MODE_").replace("_", " ").capitalize() or "not set"


def fitting(context: StepContext, cluster: Cluster, runtimes: Iterable[Runtime], me: str) -> tuple[Expectation, ...]:
    """Return what was asked of the cluster's settings, and what they are.

    A cluster that is dedicated to somebody else is of no use in dev; in pipeline it is the build that runs there.
    """
    wanted = wish(context)
    runtime = next((each for each in runtimes if each.key == cluster.runtime), None)
    mode = cluster.access_mode in SINGLE_USER_MODES
    mine = not cluster.user or cluster.user.lower() == me.lower() or context.environment is not Environment.DEV
    seen = [
        Expectation(
            "Databricks runtime",
            "an LTS version for machine learning",
            runtime.name if runtime else f"{cluster.runtime or 'none'}, which is no longer offered",
            met=runtime is not None and runtime.fits,
        ),
        Expectation(
            "Terminate after",
            f"{IDLE_MINUTES} idle minutes",
            minutes_of(cluster),
            met=cluster.autotermination_minutes == IDLE_MINUTES,
        ),
        Expectation("Size", wanted.size, _size_of(cluster), met=_size_of(cluster) == wanted.size),
        Expectation("Access mode", f"dedicated to {me}", _mode_of(cluster), met=mode and mine),
    ]
    if wanted.node_type:
        met = cluster.node_type.lower() == wanted.node_type.lower()
        seen.append(Expectation("Machine type", wanted.node_type, cluster.node_type, met=met))
    return tuple(seen)


def _me(context: StepContext, here: Databricks) -> User:
    return context.reads.share(("databricks me", workspace_id(context).lower()), here.me)


def _runtimes(context: StepContext, here: Databricks) -> tuple[Runtime, ...]:
    return context.reads.share(("runtimes", workspace_id(context).lower()), here.runtimes)


# What runs, and what it costs


@dataclass(frozen=True, slots=True)
class Running:
    """A cluster that has machines, and so costs money."""

    environment: str
    name: str
    id: str
    ours: bool
    state: str
    since: datetime | None
    node_type: str
    machines: int
    idle_minutes: int
    """After so many idle minutes it stops by itself; 0: never."""

    @property
    def stops(self) -> datetime | None:
        """When it stops by itself if nobody has used it since it started; None: never, or not known.

        The API does not tell when a cluster was last used, so this is the earliest moment.
        """
        if self.since is None or not self.idle_minutes:
            return None
        return self.since + timedelta(minutes=self.idle_minutes)


def running(context: StepContext, environment: Environment | None = None) -> list[Running]:
    """Return the clusters of an environment's workspace that have machines now, whoever made them.

    Raises:
        NotFoundError: There is no workspace.
        ServiceError: The workspace could not be asked.
    """
    return [
        Running(
            environment=str(environment or context.environment or ""),
            name=each.name,
            id=each.id,
            ours=ours(context, each),
            state=each.state,
            since=each.running_since,
            node_type=each.node_type,
            machines=each.machines,
            idle_minutes=each.autotermination_minutes,
        )
        for each in clusters(context, environment)
        if each.state not in STOPPED
    ]


# Quota


@dataclass(frozen=True, slots=True)
class Room:
    """How much of a family of machines the subscription may still use in the region."""

    node_type: str
    cores: int
    """Of one machine."""
    family: str
    """Its quota in Azure's words: `Standard DDSv5 Family vCPUs`; a guess by the rule of the names where unknown."""
    needed: int
    used: int | None
    """None: Azure tells of no such quota."""
    limit: int | None

    @property
    def fits(self) -> bool:
        """Whether it is enough, as far as Azure tells."""
        return self.limit is None or self.used is None or self.used + self.needed <= self.limit

    def __str__(self) -> str:
        """Return the figures."""
        if self.limit is None:
            return f"{self.node_type}, {self.needed} cores of {self.family}"
        return f"{self.node_type}: {self.needed} cores of {self.family} needed, {self.used} of {self.limit} used"


@dataclass(frozen=True, slots=True)
class Quota:
    """What clusters need in a region, and what Azure allows."""

    location: str
    needed: int
    """Cores in all, with the first machine type that would do."""
    used: int | None
    """Of all families together; None: Azure does not tell."""
    limit: int | None
    rooms: tuple[Room, ...]
    """By machine type, the preferred first."""
    problem: str = ""
    """Why the quota could not be read."""

    @property
    def in_region(self) -> bool:
        """Whether all families together have room enough, as far as Azure tells."""
        return self.limit is None or self.used is None or self.used + self.needed <= self.limit

    @property
    def best(self) -> Room | None:
        """The first machine type that fits, or None."""
        return next((room for room in self.rooms if room.fits), None) if self.in_region else None

    @property
    def refusal(self) -> ConflictError:
        """What to tell when nothing fits."""
        where = f"in {self.location}"
        figures = (
            "; ".join(str(room) for room in self.rooms[:4]) or "the workspace offers no machine type that would do"
        )
        if not self.in_region:
            figures = f"{self.needed} cores needed, {self.used} of {self.limit} of all families together used"
        return ConflictError(
            f"The subscription's quota {where} has no room for the cluster: {figures}.",
            "Stop or delete what uses the cores, choose another machine type (input Machine type) or another region "
            f"(section set-up, step Choose your names), or ask for more: {_QUOTAS}",
            code="QuotaExceeded",
        )


_USUAL = tuple(
    NodeType(name, CORES, memory, "General Purpose", local_disk=disk)
    for name, memory, disk in (
        ("Standard_D4ds_v5", 16384, True),
        ("Standard_D4s_v5", 16384, False),
        ("Standard_DS3_v2", 14336, True),
        ("Standard_D4s_v3", 16384, True),
    )
)
"""Machine types that are asked about while there is no workspace that could tell its own."""


def family_of(node_type: str) -> str:
    """Return the quota that a virtual machine size counts against, by the rule of Azure's names.

    `Standard_D4ds_v5` is `standardDDSv5Family`: the letters without the numbers, then the version (Virtual machine
    size naming conventions, and the names that `locations/usages` gives). GPU families break the rule.
    """
    found = re.fullmatch(r"(?:Standard|Basic)_([A-Z]+)\d+(?:-\d+)?([a-z]*)(?:_[A-Z]\w*?)??(?:_v(\d+))?", node_type)
    if found is None:
        return node_type
    letters, features, version = found[1], found[2].upper(), found[3]
    return f"standard{letters}{features}{f'v{version}' if version else ''}Family"


def _plain(name: str) -> str:
    """Return a quota's name so that its two forms are equal: `standardDSv2Family`, `Standard DSv2 Family vCPUs`."""
    return re.sub(r"(?<=family)(?:vcpus|cores)$", "", re.sub(r"[^a-z0-9]", "", name.lower()))


def quota(context: StepContext, environment: Environment | None = None, *, clusters: int = 1) -> Quota:
    """Tell which machine types the subscription may use for clusters in the region, the preferred first.

    Where Databricks tells the family of a machine type (`node_instance_type.instance_family`), it is Azure's quota in
    words; else the rule of Azure's names has to do. A quota that cannot be read is no reason against a cluster.

    Args:
        context: The step's, or the doctor's.
        environment: Whose workspace tells the machine types; None: the context's own.
        clusters: How many clusters are to be started.

    Raises:
        ServiceError: The workspace could not be asked.
    """
    wanted = wish(context)
    here = open_workspace(context, environment) if environment or context.environment else None
    node_types: tuple[NodeType, ...] = _USUAL
    if here is not None:
        key = ("node types", workspace_id(context, environment).lower())
        node_types = context.reads.share(key, here.node_types)
    names = context.names
    path = f"/subscriptions/{names.subscription}/providers/Microsoft.Compute/locations/{names.location}/usages"
    problem = ""
    try:
        usages = context.reads.share(("usages", names.location), lambda: context.services.arm.list(path))
    except ServiceError as error:
        usages, problem = [], error.message
    told: dict[str, tuple[int, int]] = {}
    for each in usages:
        figures = int(each.get("currentValue") or 0), int(each.get("limit") or 0)
        for name in each.get("name", {}).values():
            told[_plain(str(name))] = figures
    rooms = []
    for node_type in _candidates(node_types, wanted):
        family = node_type.family or family_of(node_type.id)
        used, limit = told.get(_plain(family)) or told.get(_plain(family_of(node_type.id))) or (None, None)
        rooms.append(
            Room(node_type.id, node_type.cores, family, node_type.cores * wanted.machines * clusters, used, limit)
        )
    needed = rooms[0].needed if rooms else CORES * wanted.machines * clusters
    used, limit = told.get("cores") or told.get("totalregionalvcpus") or (None, None)
    return Quota(names.location, needed, used, limit, tuple(rooms), problem)


def _candidates(node_types: Iterable[NodeType], wanted: Wish) -> list[NodeType]:
    """Return the machine types that would do, the best first; only the chosen one where one is chosen."""
    if wanted.node_type:
        named = [each for each in node_types if each.id.lower() == wanted.node_type.lower()]
        return named or [NodeType(wanted.node_type, _cores_in(wanted.node_type), 0, "")]
    usable = [
        each
        for each in node_types
        if each.cores >= CORES and not (each.deprecated or each.hidden or each.gpus or each.arm or each.unavailable)
    ]

    def rank(each: NodeType) -> tuple[int, bool, bool, int, str]:
        version = re.search(r"_v(\d+)$", each.id)
        newest = -int(version[1]) if version else 0
        return (each.cores, each.category != "General Purpose", not each.local_disk, newest, each.id)

    return sorted(usable, key=rank)


def _cores_in(name: str) -> int:
    """Return how many cores a size has by its name; the old D and DS sizes count otherwise."""
    old = re.fullmatch(r"Standard_DS?(\d+)(?:_v2)?", name)
    if old:
        return {2: 2, 3: 4, 4: 8, 5: 16}.get(int(old[1]), CORES)
    found = re.match(r"[A-Za-z]+_[A-Za-z]+(\d+)", name)
    return int(found[1]) if found else CORES


# The cluster


@check(deadline=20)
def exists(context: StepContext) -> Result:
    """Look whether the cluster is there, fits, and how it is."""
    here = workspace(context)
    try:
        cluster = find(context)
    except ConflictError as error:
        several = Expectation(KIND, f"one with the name {NAME}", "several", met=False)
        return Result(Status.FAILED, error.message, (several,), error.hint)
    if cluster is None:
        return Result(
            Status.FAILED,
            f"{KIND} {NAME} does not exist.",
            (Expectation(KIND, f"{NAME} exists", "not found", met=False),),
            "Create it by hand as described, or let the wizard do it.",
        )
    doubles = _doubles(context, cluster.id, clusters(context))
    if doubles:
        return Result(
            Status.FAILED,
            f"There are {len(doubles) + 1} clusters {NAME} of the wizard's own: an answer was lost on the way.",
            (Expectation(KIND, f"one with the name {NAME}", f"{len(doubles) + 1}", met=False),),
            "Let the wizard remove what is too much (do it for me): each of them costs money.",
        )
    seen = fitting(context, cluster, _runtimes(context, here), _me(context, here).name)
    unmet = [each for each in seen if not each.met]
    if unmet:
        return _does_not_fit(context, cluster, seen)
    trouble = trouble_of(cluster)
    if trouble is not None:
        broken = Expectation("State", "running, or stopped", f"did not start ({trouble.code})", met=False)
        return Result(
            Status.FAILED,
            f"{KIND} {NAME} did not start: {trouble.message}",
            (*seen, broken),
            trouble.hint,
            trouble.detail,
        )
    state = state_of(cluster)
    if cluster.state in CHANGING or cluster.state == "UNKNOWN":
        return Result(
            Status.WAITING,
            f"{KIND} {NAME} is {cluster.state.lower()}.",
            (*seen, Expectation("State", "running, or stopped", cluster.message or state, met=False)),
            "Nothing to do: the wizard looks again by itself.",
            look_again_after=max(1.0, context.services.arm.poll_interval),
            usually=STOPS if cluster.state == "TERMINATING" else STARTS,
        )
    live = Expectation("State", "running, or stopped", state, met=True)
    return Result(Status.PASSED, f"{KIND} {NAME} is there and fits; it {state}.", (*seen, live))


def _does_not_fit(context: StepContext, cluster: Cluster, seen: Sequence[Expectation]) -> Result:
    unmet = [each for each in seen if not each.met]
    said = ""
    if any(each.what == "Terminate after" for each in unmet):
        stops = f"stops after {minutes_of(cluster)} instead of {IDLE_MINUTES}"
        said = f" It {stops if cluster.autotermination_minutes else 'never stops by itself'}; {idling_of(cluster)}."
    wrong = ", ".join(f"{each.what} is {each.actual}" for each in unmet)
    mend = ours(context, cluster) or all(each.what == "Terminate after" for each in unmet)
    return Result(
        Status.FAILED,
        f"{KIND} {NAME} is there, but does not fit: {wrong}.{said}",
        tuple(seen),
        "Set it right by hand (Compute, the cluster, Edit), or let the wizard do it."
        if mend
        else f"This cluster is not the wizard's: change it under Compute, or rename it so that {NAME} is free.",
    )


def _plan(context: StepContext) -> Sequence[Change]:
    wanted = wish(context)
    here = open_workspace(context)
    where = context.here.databricks_workspace
    cluster = choose(context, here.clusters()) if here is not None else None
    if here is None or cluster is None:
        told = quota(context)
        room = told.best
        if room is None and told.rooms:
            return (Change("conflict", KIND, NAME, where, note=told.refusal.message),)
        note = f"{wanted.size}, {room}" if room is not None else wanted.size
        return (Change("create", KIND, NAME, where, COST, STARTS, note),)
    unmet = [
        each for each in fitting(context, cluster, _runtimes(context, here), _me(context, here).name) if not each.met
    ]
    differences = ", ".join(f"{each.what}: {each.actual} → {each.expected}" for each in unmet)
    trouble = trouble_of(cluster)
    if cluster.state in CHANGING and not unmet:
        return (Change("adopt", KIND, NAME, where, note=f"is {cluster.state.lower()}, and is waited for"),)
    if not unmet and _doubles(context, cluster.id, here.clusters()):
        return (Change("delete", KIND, NAME, where, note="a second one of ours, made by a lost answer"),)
    if not unmet and trouble is None:
        return (Change("leave", KIND, NAME, where, note="is there and fits"),)
    if not unmet:
        return (Change("change", KIND, NAME, where, COST, STARTS, "start it again"),)
    if ours(context, cluster) or all(each.what == "Terminate after" for each in unmet):
        return (Change("change", KIND, NAME, where, seconds=STARTS, note=f"{differences}; it restarts if it runs"),)
    return (Change("conflict", KIND, NAME, where, note=differences),)


@solve(plan=_plan)
def create(context: StepContext) -> None:
    """Create the cluster, or adopt what is there and fits, or set right what is the wizard's; wait until it is up.

    The service makes a second one of the same name without a word, so what bears the lab's tag is looked for first,
    also after a kill between the request and its answer.

    Raises:
        ConflictError: Another cluster of that name does not fit, or the quota has no room.
        ServiceError: Databricks refused, or the cluster did not start.
    """
    channel, ledger = context.channel, context.ledger
    wanted = wish(context)
    context.save("cluster_size", "node_type")
    here = workspace(context)
    me = here.me().name
    found = here.clusters()
    cluster = choose(context, found)
    if cluster is None:
        _create(context, here, me, wanted)
        return
    mine = ours(context, cluster)
    _remove_doubles(context, here, cluster.id, found)
    if cluster.state in CHANGING:
        channel.say(f"{KIND} {NAME} is {cluster.state.lower()}; waiting for it.")
        cluster = await_cluster(context, here, cluster.id, lambda each: each.state not in CHANGING)
    unmet = [each for each in fitting(context, cluster, here.runtimes(), me) if not each.met]
    trouble = trouble_of(cluster)
    if unmet and not mine and any(each.what != "Terminate after" for each in unmet):
        wrong = ", ".join(f"{each.what} is {each.actual}, not {each.expected}" for each in unmet)
        raise ConflictError(
            f"There is a cluster {NAME} that is not the wizard's, and it does not fit: {wrong}.",
            f"Change it under Compute in the workspace, or rename it so that {NAME} is free.",
        )
    if not mine:
        ledger.write(Fact.ADOPTED, context.target, ledger_id(context), KIND, cluster.id)
        channel.say(f"{KIND} {NAME} is there: adopted, and left alone by a teardown.")
    elif ledger.made(ledger_id(context)) and not ledger.created(ledger_id(context)):
        ledger.write(Fact.CREATED, context.target, ledger_id(context), KIND, cluster.id)
    if mine and (unmet or trouble):
        cluster = _set_right(context, here, cluster, me, wanted, trouble)
    elif unmet:
        channel.stop_if_cancelled()
        channel.say(f"It stops after {minutes_of(cluster)}; {idling_of(cluster)}. Setting {IDLE_MINUTES} minutes …")
        here.set_autotermination(cluster.id, IDLE_MINUTES)
        cluster = await_cluster(context, here, cluster.id, lambda each: each.state not in CHANGING)
    elif trouble:
        start(context, here, cluster)
    channel.say(f"{KIND} {NAME} is there; it {state_of(cluster)}.")


def _create(context: StepContext, here: Databricks, me: str, wanted: Wish) -> None:
    channel, ledger = context.channel, context.ledger
    if ledger.made(ledger_id(context)) and (hidden := _hidden(context, here)) is not None:
        raise hidden.error
    node_type = _room(context, wanted)
    runtime = _newest(here.runtimes())
    spec = ClusterSpec(NAME, runtime.key, node_type, me, IDLE_MINUTES, wanted.workers, _tags(context))
    channel.stop_if_cancelled()
    channel.say(f"Creating {KIND} {NAME}: {wanted.size} of {node_type}, {runtime.name}, dedicated to {me} …")
    ledger.write(Fact.INTENT, context.target, ledger_id(context), KIND, by=str(databricks_viewer(context, here)))
    cluster_id = here.create_cluster(spec)
    ledger.write(Fact.CREATED, context.target, ledger_id(context), KIND, cluster_id)
    # A request whose answer is lost on the way is sent again below us, and the service makes one for each.
    _remove_doubles(context, here, cluster_id, here.clusters())
    channel.say(f"From now on it costs money: {idling(wanted.machines, node_type)}.")
    cluster = await_start(context, here, cluster_id)
    channel.say(f"{KIND} {NAME} {state_of(cluster)}.")


def _tags(context: StepContext) -> dict[str, str]:
    return {TAG: context.profile.choices.lab_id}


def _room(context: StepContext, wanted: Wish, besides: str = "") -> str:
    """Return the machine type to use, after a look at the quota.

    Args:
        context: The step's.
        wanted: What the person chose.
        besides: A machine type that was tried and could not be had.

    Raises:
        ConflictError: Nothing fits.
    """
    told = quota(context)
    if told.problem:
        context.channel.say(f"The quota could not be read ({told.problem}); trying without it.")
    told = replace(told, rooms=tuple(room for room in told.rooms if room.node_type != besides or wanted.node_type))
    room = told.best
    if room is None:
        raise told.refusal
    if room.limit is not None:
        context.channel.say(f"Quota in {told.location}: {room}.")
    return room.node_type


def _newest(runtimes: Iterable[Runtime]) -> Runtime:
    usable = [each for each in runtimes if each.fits]
    if not usable:
        raise ConflictError(
            "The workspace offers no LTS runtime for machine learning.",
            "Look under Compute, Create compute, which runtimes there are, and tell the proctor.",
        )
    return max(usable, key=lambda each: (each.version, each.key))


def _set_right(
    context: StepContext, here: Databricks, cluster: Cluster, me: str, wanted: Wish, trouble: WizardError | None
) -> Cluster:
    """Give the wizard's own cluster the settings that it should have, and start it again where it had failed to."""
    channel, runtimes = context.channel, here.runtimes()
    kept = next((each.key for each in runtimes if each.key == cluster.runtime and each.fits), None)
    node_type = cluster.node_type
    if trouble is not None:
        channel.say(f"It did not start: {trouble.message}")
        node_type = _room(context, wanted, besides=cluster.node_type)
    elif wanted.node_type:
        node_type = wanted.node_type
    spec = ClusterSpec(
        NAME,
        kept or _newest(runtimes).key,
        node_type,
        me,
        IDLE_MINUTES,
        wanted.workers,
        {**cluster.tags, **_tags(context)},
    )
    channel.stop_if_cancelled()
    channel.say(f"{KIND} {NAME} is ours; setting it right: {wanted.size} of {node_type} …")
    here.edit_cluster(cluster.id, spec)
    settled = await_cluster(context, here, cluster.id, lambda each: each.state not in CHANGING)
    return start(context, here, settled) if trouble is not None else settled


def _doubles(context: StepContext, kept: str, found: Iterable[Cluster]) -> list[Cluster]:
    """Return further clusters of ours beside the one that is kept: an answer that was lost may have made one."""
    return [each for each in found if each.id != kept and each.name == NAME and ours(context, each)]


def _remove_doubles(context: StepContext, here: Databricks, kept: str, found: Iterable[Cluster]) -> None:
    for each in _doubles(context, kept, found):
        context.channel.say(f"A lost answer made a second cluster {NAME} of ours: removing {each.id} …")
        here.delete_cluster(each.id)


def _plan_removal(context: StepContext) -> Sequence[Change]:
    if not context.ledger.made(ledger_id(context)):
        return ()
    return plan_inside(context, KIND, NAME, ledger_id(context), partial(_plan_removal_in, context))


def _plan_removal_in(context: StepContext, here: Databricks) -> Sequence[Change]:
    where, named = context.here.databricks_workspace, [each for each in here.clusters() if each.name == NAME]
    if not named and (hidden := _hidden(context, here)) is not None:
        return [hidden.change]
    return [
        Change("delete", KIND, NAME, where, note=f"{each.id}, {each.state.lower()}")
        for each in named
        if ours(context, each)
    ] or [Change("leave", KIND, NAME, where, note="it no longer bears the wizard's tag: left alone") for _ in named[:1]]


def _hidden(context: StepContext, here: Databricks) -> Unseen | None:
    """Return why a cluster may exist that is not listed: users see only those that they may attach to."""
    viewer = databricks_viewer(context, here)
    return unseen(context, viewer, ledger_id(context), KIND, NAME, context.here.databricks_workspace)


@undo(plan=_plan_removal)
def delete(context: StepContext) -> None:
    """Delete the wizard's cluster for good, running or not, and see that it is gone.

    Raises:
        InconclusiveError: Another account made it, and this one does not see it.
        ServiceError: Databricks refused, or it is still there.
    """
    if not context.ledger.made(ledger_id(context)):
        return
    here = open_for_undo(context, join=True)
    if here is None:
        write_off(context, ledger_id(context), KIND)
        return
    named = [each for each in here.clusters() if each.name == NAME]
    if not named and (hidden := _hidden(context, here)) is not None:
        raise hidden.error
    mine = [each for each in named if ours(context, each)]
    if named and not mine:
        context.channel.say(f"{KIND} {NAME} no longer bears the wizard's tag: left alone.")
        return
    for each in mine:
        context.channel.stop_if_cancelled()
        context.channel.say(f"Deleting {KIND} {NAME} ({each.id}) …")
        here.delete_cluster(each.id)
    going, deadline = {each.id for each in mine}, time.monotonic() + PATIENCE
    while going & {each.id for each in here.clusters()}:
        if time.monotonic() > deadline:
            raise ServiceError(f"{KIND} {NAME} is still there after its deletion.", "Run the teardown again later.")
        context.channel.progress(f"{KIND} {NAME} is being deleted", STOPS)
        context.channel.wait(context.services.arm.poll_interval)
    context.ledger.write(Fact.DELETED, context.target, ledger_id(context), KIND)
    context.channel.say(f"{KIND} {NAME} is gone.")


def _existing(context: StepContext) -> tuple[Databricks, Cluster]:
    here = workspace(context)
    cluster = choose(context, here.clusters())
    if cluster is None:
        raise NotFoundError(f"There is no cluster {NAME} yet.", "Do the step “Create the cluster” first.")
    return here, cluster


@action("Start the cluster")
def start_cluster(context: StepContext) -> None:
    """Start the cluster and wait until it runs.

    Raises:
        NotFoundError: There is none.
        WizardError: It did not start, with why in plain words.
    """
    here, cluster = _existing(context)
    if cluster.state == "RUNNING":
        context.channel.say(f"{KIND} {NAME} {state_of(cluster)}.")
        return
    start(context, here, cluster)


@action("Stop the cluster")
def stop_cluster(context: StepContext) -> None:
    """Stop the cluster, so that it costs nothing, and wait until it has stopped; it can be started again.

    Raises:
        NotFoundError: There is none.
        ServiceError: Databricks refused.
    """
    here, cluster = _existing(context)
    if cluster.state not in STOPPED:
        if cluster.state != "TERMINATING":
            context.channel.stop_if_cancelled()
            context.channel.say(f"Stopping {KIND} {NAME} …")
            here.stop_cluster(cluster.id)
        cluster = await_cluster(context, here, cluster.id, lambda each: each.state in STOPPED)
    context.channel.say(f"{KIND} {NAME} {state_of(cluster)}.")
