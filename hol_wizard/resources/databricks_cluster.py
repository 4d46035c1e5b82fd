"""The cluster of an environment: creating, adopting, correcting and deleting it.

Databricks silently creates a second cluster of the same name. A cluster is therefore identified by its name and its
tag, and duplicates that a lost response has caused are removed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from hol_wizard.engine.kinds import kind
from hol_wizard.engine.ownership import Pending, look_again, owns
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import LONG_WORK_DEADLINE, Change
from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.errors import ConflictError, WizardError
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
    Named,
    account,
    await_cluster,
    creator_of,
    idling,
    idling_of,
    ledger_id,
    left_stopped,
    minutes_of,
    named,
    namesakes,
    oldest_first,
    ours,
    several,
    state_of,
    trouble_of,
)
from hol_wizard.resources.cluster_quota import quota
from hol_wizard.resources.cluster_wish import fitting, newest, wish
from hol_wizard.resources.in_workspace import InWorkspace
from hol_wizard.resources.workspace import workspace, workspace_id
from hol_wizard.services.databricks.client import Databricks
from hol_wizard.services.databricks.clusters import Cluster, ClusterSpec

COST: Final = (
    "the most expensive thing in this lab: its virtual machines, their disks and Databricks units, each hour that it "
    f"runs, whether used or not; it stops automatically after {IDLE_MINUTES} idle minutes"
)
COST_STOPPED: Final = (
    "nothing: it is left stopped; a build trains on a job cluster with its settings, which costs money while it trains"
)
_STATE: Final = "State"
_TERMINATE: Final = "Terminate after"
ANYBODYS: Final = frozenset({_TERMINATE, _STATE})
"""What is also corrected on somebody else's cluster: its idle time, and that it starts or is left stopped."""


@kind("databricks_cluster", uses=("databricks_workspace",), work_deadline=LONG_WORK_DEADLINE)
@dataclass(frozen=True)
class DatabricksCluster(InWorkspace[Named]):
    """The environment's cluster; in dev it may be running or stopped, in pipeline it is left stopped."""

    kind = KIND
    name = NAME
    mark = "tag"
    patience: ClassVar[float] = PATIENCE

    @property
    def cost(self) -> str:
        """Return what it costs."""
        return COST_STOPPED if self._left_stopped else COST

    @property
    def usually(self) -> float:
        """Return the usual duration in seconds to start it, or to stop it again."""
        return STOPS if self._left_stopped else STARTS

    @property
    def _left_stopped(self) -> bool:
        return left_stopped(self.context)

    @property
    def id(self) -> str:
        """Return its ID in the ledger, which is written before the service assigns an ID."""
        return ledger_id(self.context)

    @property
    def _here(self) -> Databricks:
        return workspace(self.context)

    @property
    def _me(self) -> str:
        return account(self.context)

    # Checking

    def find(self, reads: ReadCache) -> Named | None:
        """Return the cluster of this name, and its duplicates."""
        here = self.enter(reads)
        return named(self.context, reads.share(("clusters", workspace_id(self.context).lower()), here.clusters))

    def marked(self, found: Named, noted: str | None) -> bool:
        """Return whether it has the lab's tag."""
        del noted
        return ours(self.context, found.cluster)

    def identity(self, found: Named) -> str:
        """Return the cluster's id."""
        return found.cluster.id

    def expectations(self, found: Named) -> Sequence[Expectation]:
        """Return the expectations: it is the only one, has the right settings, and starts or is left stopped."""
        only = f"one with the name {NAME}"
        if found.others:
            ids = ", ".join(each.id for each in (found.cluster, *found.others))
            return (Expectation(KIND, only, f"{len(found.others) + 1}: {ids}", met=False),)
        place = workspace_id(self.context).lower()
        runtimes = self.context.reads.share(("runtimes", place), self._here.runtimes)
        seen = list(fitting(self.context, found.cluster, runtimes, self._me))
        if found.doubles:
            seen.insert(0, Expectation(KIND, only, f"{len(found.doubles) + 1}", met=False))
        if (trouble := trouble_of(found.cluster)) is not None:
            wanted = "stopped" if self._left_stopped else "running, or stopped"
            seen.append(Expectation(_STATE, wanted, f"did not start ({trouble.code})", met=False))
        elif self._left_stopped and found.cluster.state not in {*STOPPED, "TERMINATING"}:
            seen.append(Expectation(_STATE, "stopped", state_of(found.cluster), met=False))
        return seen

    def pending(self, found: Named) -> Pending | None:
        """Return whether it is starting or stopping; what does not fit is reported and corrected in any state."""
        state = found.cluster.state
        if state not in CHANGING | {"UNKNOWN"} or any(not each.met for each in self.expectations(found)):
            return None
        return Pending(state.lower(), can_be_deleted=True)

    def trouble(self, found: Named) -> WizardError | None:
        """Return why it did not start."""
        return trouble_of(found.cluster)

    # Creating

    def creation(self, note: str = "") -> Change:
        """Return its size, and how much of the quota it uses."""
        wanted, room = wish(self.context), quota(self.context).best
        size = f"{wanted.size}, {room}" if room is not None else wanted.size
        return super().creation("; ".join(filter(None, (size, note))))

    def obstacle(self) -> WizardError | None:
        """Return an error if the quota is not enough."""
        told = quota(self.context)
        return told.refusal if told.best is None and told.rooms else None

    def create(self, begun: Callable[[str], None]) -> str:
        """Create it with the first machine type that the quota allows; it starts immediately.

        If two wizards send the request at the same time, the workspace accepts both: the older cluster is kept.

        Raises:
            ConflictError: Somebody else's is older.
        """
        del begun
        here, reporter, wanted = self._here, self.context.reporter, wish(self.context)
        node_type, runtime = self._room(), newest(here.runtimes())
        spec = ClusterSpec(
            NAME, runtime.key, node_type, wanted.user or self._me, IDLE_MINUTES, wanted.workers, self._tags
        )
        reporter.say(
            f"{wanted.size[:1].upper()}{wanted.size[1:]} of {node_type}, {runtime.name}, dedicated to {spec.user}."
        )
        made = here.create_cluster(spec)
        # If a response is lost, the transport repeats the request, and the service creates one for each.
        others = namesakes(self.context, look_again(self.context, self.label, here.clusters))
        for each in others:
            if each.id != made and ours(self.context, each):
                self._remove_double(each)
        oldest = oldest_first(each for each in others if each.id == made or not ours(self.context, each))[:1]
        if oldest and oldest[0].id != made:
            here.delete_cluster(made)
            raise ConflictError(
                f"Somebody else created a cluster {NAME} at the same time: {oldest[0].id}.",
                "Try again: the wizard then adopts it.",
            )
        if not self._left_stopped:
            reporter.say(f"It costs money from now on: {idling(wanted.machines, node_type)}.")
        return made

    def finish(self, found: Named) -> bool:
        """Stop it again if it is left stopped: a cluster that is created with the Clusters API always starts."""
        if not self._left_stopped:
            return False
        self._stop(found.cluster)
        return True

    def _stop(self, cluster: Cluster) -> Cluster:
        """Return the cluster when it is stopped."""
        here = self._here
        if cluster.state not in {*STOPPED, "TERMINATING"}:
            self.context.reporter.say("Stopping it: a build trains on a job cluster with its settings …")
            here.stop_cluster(cluster.id)
        return await_cluster(self.context, here, cluster.id, lambda each: each.state in STOPPED)

    @property
    def _tags(self) -> dict[str, str]:
        return {TAG: self.context.lab_id}

    def _room(self, besides: str = "") -> str:
        """Return the machine type to use, according to the quota.

        Args:
            besides: A machine type that was tried and could not be determined.

        Raises:
            ConflictError: Nothing fits.
        """
        told, chosen = quota(self.context), wish(self.context).node_type
        if told.problem:
            self.context.reporter.say(f"The quota could not be read ({told.problem}); trying without it.")
        told = replace(told, rooms=tuple(room for room in told.rooms if room.node_type != besides or chosen))
        room = told.best
        if room is None:
            raise told.refusal
        if room.limit is not None:
            self.context.reporter.say(f"Quota in {told.location}: {room}.")
        return room.node_type

    # Correcting

    def changeable(self, found: Named, *, ours: bool) -> bool:
        """Return whether it is ours, or only idles too long, or did not start."""
        if found.others:
            return False
        return ours or all(each.met or each.what in ANYBODYS for each in self.expectations(found))

    def difference(self, found: Named) -> str:
        """Return what will be corrected, and whether it restarts."""
        if found.doubles:
            return f"{len(found.doubles)} duplicates are removed: a response was lost"
        unmet = {each.what for each in self.expectations(found) if not each.met}
        if unmet == {_STATE}:
            return "stop it" if self._left_stopped and found.cluster.state not in STOPPED else "start it again"
        then = "it is stopped first if it runs" if self._left_stopped else "it restarts if it runs"
        return f"{super().difference(found)}; {then}"

    def change(self, found: Named) -> None:
        """Remove duplicates, edit wrong settings, start it if it did not start, stop it if it is left stopped."""
        here, reporter, context = self._here, self.context.reporter, self.context
        for double in found.doubles:
            self._remove_double(double)
        cluster = found.cluster
        if self._left_stopped:
            cluster = self._stop(cluster)
        elif cluster.state in CHANGING:
            cluster = await_cluster(context, here, cluster.id, lambda each: each.state not in CHANGING)
        unmet = {each.what for each in self.expectations(Named(cluster)) if not each.met}
        trouble = trouble_of(cluster)
        if trouble is not None:
            reporter.say(f"It did not start: {trouble.message}")
        if owns(self, found) and unmet:
            spec = self._corrected(cluster, trouble)
            reporter.say(f"Correcting it: {wish(context).size} of {spec.node_type} …")
            here.edit_cluster(cluster.id, spec)
        elif _TERMINATE in unmet:
            reporter.say(
                f"It stops after {minutes_of(cluster)}; {idling_of(cluster)}. Setting {IDLE_MINUTES} minutes …"
            )
            here.set_autotermination(cluster.id, IDLE_MINUTES)
        if trouble is not None:
            here.start_cluster(cluster.id)
            if self._left_stopped:
                here.stop_cluster(cluster.id)

    def _corrected(self, cluster: Cluster, trouble: WizardError | None) -> ClusterSpec:
        """Return the settings that the wizard's own cluster should have; fitting ones are kept."""
        wanted, runtimes = wish(self.context), self._here.runtimes()
        runtime = next((each.key for each in runtimes if each.key == cluster.runtime and each.fits), None)
        node_type = wanted.node_type or cluster.node_type
        if trouble is not None:
            node_type = self._room(besides=cluster.node_type)
        tags = {**cluster.tags, **self._tags}
        runtime = runtime or newest(runtimes).key
        return ClusterSpec(NAME, runtime, node_type, wanted.user or self._me, IDLE_MINUTES, wanted.workers, tags)

    def _remove_double(self, cluster: Cluster) -> None:
        self.context.reporter.say(f"A lost response led to a second cluster {NAME}: removing {cluster.id} …")
        self._here.delete_cluster(cluster.id)

    # Removing

    def delete(self, found: Named) -> None:
        """Delete it permanently, running or not, with our duplicates."""
        for each in (found.cluster, *found.doubles):
            self._here.delete_cluster(each.id)

    # Texts

    def result(self, found: Named) -> Result:
        """Return the result: whether it fits, its state, and what it costs."""
        cluster, seen = found.cluster, tuple(self.expectations(found))
        if found.others:
            error = several((cluster, *found.others))
            return Result(Status.FAILED, error.message, seen, error.hint)
        if found.doubles:
            summary = f"The wizard has created {len(found.doubles) + 1} clusters {NAME}, because a response was lost."
            return Result(Status.FAILED, summary, seen, "To remove the duplicates, which cost money, <solve>.")
        unmet = [each for each in seen if not each.met and each.what != _STATE]
        if unmet:
            wrong = ", ".join(f"{each.what} is {each.actual}" for each in unmet)
            summary = f"{self.label} exists but does not fit: {wrong}.{_idles(cluster)}"
            return Result(Status.FAILED, summary, seen, self.remedy(found))
        if (trouble := trouble_of(cluster)) is not None:
            summary = f"{self.label} did not start: {trouble.message}"
            return Result(Status.FAILED, summary, seen, trouble.hint, trouble.detail)
        state = state_of(cluster)
        if any(not each.met for each in seen):
            return Result(
                Status.FAILED, f"{self.label} is not stopped: it {state}; {idling_of(cluster)}.", seen, _STOP_IT
            )
        live = Expectation(_STATE, "stopped" if self._left_stopped else "running, or stopped", state, met=True)
        summary = f"{self.label}, {creator_of(self.context, cluster)}, is there and fits; it {state}."
        return Result(Status.PASSED, summary, (*seen, live))

    def remedy(self, found: Named) -> str:
        """Return how it can be corrected."""
        if found.others:
            return several((found.cluster, *found.others)).hint
        if self.changeable(found, ours=owns(self, found)):
            return "Correct it by hand (Compute, the cluster, Edit), or <solve>."
        return f"The wizard did not create this cluster: change it under Compute, or rename it to free the name {NAME}."


_STOP_IT = "No build needs it running. Stop it under Compute (Terminate), or <solve>."


def _idles(cluster: Cluster) -> str:
    """Return in a sentence what it costs if a cluster does not stop when it should; empty if it does."""
    if cluster.autotermination_minutes == IDLE_MINUTES:
        return ""
    stops = f"stops after {minutes_of(cluster)} instead of {IDLE_MINUTES}"
    return f" It {stops if cluster.autotermination_minutes else 'never stops automatically'}; {idling_of(cluster)}."
