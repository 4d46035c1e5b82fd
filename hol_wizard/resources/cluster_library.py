"""A library from PyPI on the environment's cluster."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from hol_wizard.engine.kinds import kind
from hol_wizard.engine.ownership import Pending, owns
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import LONG_WORK_DEADLINE, Change
from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.errors import ConflictError, NotFoundError, NotReadyError, ServiceError, WizardError
from hol_wizard.resources import cluster as clusters
from hol_wizard.resources.cluster import CHANGING, NAME, STARTS, STOPPED
from hol_wizard.resources.in_workspace import InWorkspace
from hol_wizard.resources.workspace import workspace, workspace_id
from hol_wizard.services.databricks.client import Databricks
from hol_wizard.services.databricks.clusters import Cluster
from hol_wizard.services.databricks.libraries import Library

INSTALLS = 60.0
_ASKED = 5.0
"""Usual duration of the request alone, in seconds."""
DONE = frozenset({"INSTALLED", "RESTORED"})
BROKEN = frozenset({"FAILED", "SKIPPED"})
GOING = "UNINSTALL_ON_RESTART"


@dataclass(frozen=True, slots=True)
class Installed:
    """A library on a cluster, and those that conflict with it."""

    cluster: Cluster
    library: Library
    others: tuple[Expectation, ...]

    @property
    def status(self) -> str:
        """The library's status, in Databricks' terms."""
        return self.library.status


@kind("cluster_library", uses=("databricks_workspace",), work_deadline=LONG_WORK_DEADLINE)
@dataclass(frozen=True)
class ClusterLibrary(InWorkspace[Installed]):
    """A library; on a stopped cluster, it is installed when the cluster starts next.

    On the cluster that is left stopped, it is only requested: a build's job cluster gets the same libraries.
    """

    package: str
    """Its name for pip, with its version."""
    replaces: str = ""
    """A retired package that must not be installed at the same time."""
    kind = "Library"
    cost = ""
    unmarked = "a library has no tags: the wizard owns it if its installation was accepted"
    usually = INSTALLS
    patience: ClassVar[float] = clusters.PATIENCE

    @property
    def name(self) -> str:  # type: ignore[override]  # the base has an attribute, and nobody writes to it
        """Return the package."""
        return self.package

    @property
    def id(self) -> str:
        """Return its ID in the ledger."""
        return f"{clusters.ledger_id(self.context)}/libraries/{self.package}"

    @property
    def where(self) -> str:
        """Return the cluster."""
        return f"{NAME} in {self.context.here.databricks_workspace}"

    # Checking

    def _look(self, reads: ReadCache) -> tuple[Databricks, Cluster | None, Sequence[Library]]:
        here, place = self.enter(reads), workspace_id(self.context).lower()
        cluster = clusters.choose(self.context, reads.share(("clusters", place), here.clusters))
        if cluster is None:
            return here, None, ()
        return here, cluster, reads.share(("libraries", place, cluster.id), lambda: here.libraries(cluster.id))

    def find(self, reads: ReadCache) -> Installed | None:
        """Return the library; one that is removed at the next restart counts as removed."""
        _, cluster, libraries = self._look(reads)
        library = next((each for each in libraries if each.package == self.package), None)
        if cluster is None or library is None or library.status == GOING:
            return None
        return Installed(cluster, library, self._in_the_way(libraries))

    def _in_the_way(self, libraries: Sequence[Library]) -> tuple[Expectation, ...]:
        """Return libraries on the cluster that need other versions of the same packages."""
        wanted, found = _package_of(self.package), []
        for each in libraries:
            if _package_of(each.package) == wanted and each.package != self.package:
                found.append(Expectation(wanted, "one version", f"{each.package} as well", met=False))
            if self.replaces and _package_of(each.package) == self.replaces:
                said = f"{each.package}, {each.status.lower()}"
                found.append(Expectation(f"{self.replaces} (retired)", "not installed", said, met=False))
        return tuple(found)

    def marked(self, found: Installed, noted: str | None) -> bool:
        """Return whether its installation was accepted on this cluster."""
        return noted == found.cluster.id

    def identity(self, found: Installed) -> str:
        """Return its cluster's ID."""
        return found.cluster.id

    def expectations(self, found: Installed) -> Sequence[Expectation]:
        """Return the expectations that it is installed, and without conflicting libraries."""
        status = found.status.lower().replace("_", " ")
        return (Expectation(self.package, "installed", status, found.status not in BROKEN), *found.others)

    def pending(self, found: Installed) -> Pending | None:
        """Return whether it is being installed, or its cluster is starting."""
        state = found.cluster.state
        if state in CHANGING - {"TERMINATING"}:
            return Pending(f"requested; the cluster {NAME} is {state.lower()}")
        if state != "RUNNING" or found.status in DONE | BROKEN:
            return None
        return Pending(f"being installed ({found.status.lower()})")

    def trouble(self, found: Installed) -> WizardError | None:
        """Return pip's message if the installation failed."""
        if found.status not in BROKEN:
            return None
        words = " ".join(found.library.messages)
        return ServiceError(
            f"{self.package} could not be installed: {_pip_of(words)}",
            "Check whether something blocks the cluster's access to PyPI, then try again.",
            detail=words,
        )

    # Creating

    def creation(self, note: str = "") -> Change:
        """Return the plan's line: it is installed, on a cluster that may have to be started for it."""
        try:
            cluster = self._look(self.context.reads)[1]
        except (NotFoundError, NotReadyError):
            cluster = None
        if clusters.left_stopped(self.context):
            return replace(super().creation(note), cost="free", seconds=_ASKED)
        stopped = cluster is None or cluster.state in STOPPED
        started = ", and is started for this" if cluster is not None and stopped else ""
        seconds = INSTALLS + (STARTS if cluster is not None and stopped else 0)
        return replace(super().creation(note), cost=f"free; the cluster must run{started}", seconds=seconds)

    def obstacle(self) -> WizardError | None:
        """Return an error if another library conflicts with it."""
        others = self._in_the_way(self._look(self.context.reads)[2])
        if not others:
            return None
        named = ", ".join(each.actual for each in others)
        return ConflictError(f"Another library on {NAME} conflicts with {self.package}: {named}.", _UNINSTALL)

    def create(self, begun: Callable[[str], None]) -> str:
        """Request it; the cluster is started for it if it is not running."""
        del begun
        return self._install()

    def changeable(self, found: Installed, *, ours: bool) -> bool:
        """Return whether another request may help: a failed installation is repeated, regardless of who requested it
        first."""
        del ours
        return not found.others

    def change(self, found: Installed) -> None:
        """Request it again."""
        del found
        self._install()

    def _install(self) -> str:
        here, cluster, _ = self._look(ReadCache())
        if cluster is None:
            raise NotFoundError(f"There is no cluster {NAME} yet.", "<first cluster/create-the-cluster>.")
        if cluster.state != "RUNNING" and not clusters.left_stopped(self.context):
            self.context.reporter.say(
                f"A library can be installed only on a running cluster, and {NAME} is not running."
            )
            cluster = clusters.start(self.context, here, cluster)
        here.install_library(cluster.id, self.package)
        return cluster.id

    # Removing

    def contents(self, found: Installed) -> str:
        """Return when it is removed."""
        del found
        return "it is uninstalled when the cluster restarts, or deleted with the cluster"

    def delete(self, found: Installed) -> None:
        """Request its removal."""
        workspace(self.context).uninstall_library(found.cluster.id, self.package)

    # Texts

    def absence(self) -> Result:
        """Return the result if it is not requested, will be removed, or has no cluster."""
        _, cluster, libraries = self._look(self.context.reads)
        if cluster is None:
            missing = Expectation(clusters.KIND, f"{NAME} exists", "not found", met=False)
            return Result(Status.FAILED, f"There is no cluster {NAME}.", (missing,), "Create the cluster first.")
        going = any(each.package == self.package for each in libraries)
        actual = "uninstall on restart" if going else "not requested"
        seen = (Expectation(self.package, "installed", actual, met=False), *self._in_the_way(libraries))
        if len(seen) > 1:
            return self._stands_against(seen)
        gone = "is uninstalled at the cluster's next restart" if going else "is not requested"
        return Result(
            Status.FAILED,
            f"{self.package} {gone} on the cluster {NAME}.",
            seen,
            "Install it by hand as described, or <solve>.",
        )

    def _stands_against(self, seen: Sequence[Expectation]) -> Result:
        summary = f"Another library on {NAME} conflicts with {self.package}."
        return Result(Status.FAILED, summary, tuple(seen), _UNINSTALL)

    def result(self, found: Installed) -> Result:
        """Return the result: whether it is installed, or will be when the cluster starts."""
        seen = tuple(self.expectations(found))
        if found.others:
            return self._stands_against(seen)
        if found.status in BROKEN:
            words = " ".join(found.library.messages) or "Databricks does not say why."
            return Result(
                Status.FAILED,
                f"{self.package} could not be installed: {_pip_of(words)}",
                seen,
                "To try again, <solve>. If it happens again, something blocks the cluster's access to PyPI.",
                words,
            )
        who = "this wizard" if owns(self, found) else "somebody else"
        if found.cluster.state != "RUNNING":
            later = f"asked for by {who}; it is installed when the cluster starts next"
            then = f"the cluster {NAME} does not run, and installs it when it starts next"
            if clusters.left_stopped(self.context):
                later, then = f"asked for by {who}", "a build's job cluster installs it"
            return Result(
                Status.PASSED,
                f"{self.package} is asked for, by {who}; {then}.",
                (Expectation(self.package, "installed", later, met=True),),
            )
        there = Expectation(self.package, "installed", f"installed, asked for by {who}", met=True)
        return Result(Status.PASSED, f"{self.package} is installed on the cluster {NAME}, by {who}.", (there,))

    def remedy(self, found: Installed) -> str:
        """Return how to uninstall the conflicting library."""
        return _UNINSTALL if found.others else "To try again, <solve>."


_UNINSTALL = (
    "Uninstall it on the cluster's tab Libraries, then restart the cluster: both need different versions of the "
    "same packages."
)


def _package_of(package: str) -> str:
    return re.split(r"[\[<>=!~; ]", package, maxsplit=1)[0].lower()


def _pip_of(words: str) -> str:
    """Return pip's message from the text that Databricks adds around it."""
    _, *found = words.split("ERROR: ")
    return " ".join(" ".join(found).split())[:300] or words[:300]
