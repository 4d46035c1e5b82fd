"""What costs money now: what is running, since when, the approximate price per hour, and when it stops automatically.

This is not a bill: prices are those of the public list, and the text names what the list does not contain.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from hol_wizard.errors import NotFoundError, UnreachableError, WizardError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.running_clusters import RunningCluster, running_clusters
from hol_wizard.services.prices import PAGE, Price

STOP = "cluster.stop_cluster"
"""The action that stops what is running."""

UNITS_PAGE = "https://azure.microsoft.com/pricing/details/databricks/"
"""Page that says how many Databricks units a machine uses per hour; no API returns it."""


@dataclass(frozen=True, slots=True)
class Running:
    """Something that costs money while it runs."""

    what: str
    """`Cluster cpu (dev)`."""
    environment: str
    target_key: str
    """Key of the step that created it."""
    stop: str = ""
    """Registered name of the action that stops it; empty if there is none."""
    since: float | None = None
    """When it was started, in seconds since the epoch; None if unknown."""
    machines: tuple[tuple[str, int], ...] = ()
    """The number of running virtual machines of each size."""
    idle_minutes: int = 0
    """Idle minutes after which it stops automatically; 0 for never."""
    for_run: bool = False
    """Whether it ends with the run that it belongs to."""
    hourly: float | None = None
    """Price of its machines per hour; None if the list does not contain it."""
    currency: str = ""
    unit: Price | None = None
    """Price of one Databricks unit; the number of units is unknown."""
    example: bool = False
    """Whether the prices are the practice cloud's examples."""

    @property
    def price_text(self) -> str:
        """The approximate price per hour: `about 0.24 USD an hour for the machine, and Databricks units`."""
        machines = sum(number for _, number in self.machines)
        noun = "the machine" if machines == 1 else f"{machines} machines" if machines else "the machines"
        about = "example: " if self.example else "about "
        units = f"Databricks units at {self.unit.amount:g} {self.unit.currency} each" if self.unit else ""
        if self.hourly is None:
            sizes = ", ".join(f"{number} × {size}" for size, number in self.machines)
            return f"price of {sizes or noun} not known, and {units or 'Databricks units'}"
        return f"{about}{self.hourly:.2f} {self.currency} an hour for {noun}, and {units or 'Databricks units'}"

    @property
    def end_text(self) -> str:
        """When it stops automatically."""
        if self.for_run:
            return "ends with its run"
        if not self.idle_minutes:
            return "never stops automatically"
        return f"stops automatically after {self.idle_minutes} idle minutes"

    def text(self) -> str:
        """Return since when it has been running, the approximate price, and when it stops."""
        return "; ".join(filter(None, (self.since_text(), self.price_text, self.end_text)))

    def since_text(self, now: float | None = None) -> str:
        """Return for how long it has been running; empty if unknown."""
        if self.since is None:
            return ""
        minutes = max(0, int(((time.time() if now is None else now) - self.since) // 60))
        clock = time.strftime("%H:%M", time.localtime(self.since))
        return f"since {clock} ({minutes // 60} h {minutes % 60:02} min)" if minutes >= 60 else f"since {clock}"


@dataclass(frozen=True, slots=True)
class Standing:
    """Something that costs money while it exists."""

    target_key: str
    cost: str
    """Its cost, in the lab's words."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What costs money now."""

    running: tuple[Running, ...] = ()
    standing: tuple[Standing, ...] = ()
    """What this wizard created that always costs money."""
    unknown: tuple[str, ...] = ()
    """What could not be checked, in words."""
    notes: tuple[str, ...] = field(default=())
    """Notes about the figures."""

    def heading(self, *, still: bool = False) -> str:
        """Return the heading above what is running: whether it is billed, or free of charge on the practice cloud.

        Args:
            still: Whether the person may leave it running.
        """
        words = "Still running" if still else "Running now"
        free = any(each.example or (each.unit is not None and each.unit.example) for each in self.running)
        return f"{words} (free of charge on the practice cloud)" if free else f"{words}, and billed"

    @property
    def line(self) -> str:
        """A short text about what is running: `2 clusters run, ~0.48 USD/h+DBU`; empty if nothing is."""
        if not self.running:
            return ""
        count = "1 cluster runs" if len(self.running) == 1 else f"{len(self.running)} clusters run"
        known = [each.hourly for each in self.running if each.hourly is not None]
        if len(known) < len(self.running):
            return count
        about = "e.g. " if any(each.example for each in self.running) else "~"
        return f"{count}, {about}{sum(known):.2f} {self.running[0].currency}/h+DBU"

    @property
    def stops(self) -> dict[str, list[str]]:
        """The actions that would stop what is running, each with the keys of its steps."""
        found: dict[str, list[str]] = {}
        for each in self.running:
            if each.stop:
                found.setdefault(each.stop, []).append(each.target_key)
        return found


def look(contexts: Sequence[StepContext], stops: Mapping[str, str]) -> Cost:
    """Return what is running, with its list prices.

    Args:
        contexts: The context of the step whose action stops it, for each environment in which something can run.
        stops: The action that stops it, by the step's key.
    """

    def found(context: StepContext) -> tuple[list[Running], str]:
        try:
            return [_running(context, each, stops) for each in running_clusters(context)], ""
        except NotFoundError:
            return [], ""
        except WizardError as error:
            return [], f"what runs in {context.environment}: {error.message}"

    if not contexts:
        return Cost()
    with ThreadPoolExecutor(len(contexts)) as pool:
        answers = list(pool.map(found, contexts))
    running = [each for some, _ in answers for each in some]
    unknown = tuple(problem for _, problem in answers if problem)
    if not running:
        return Cost(unknown=unknown)
    priced, problem = _priced(contexts[0], running)
    notes = [problem] if problem else []
    if any(each.example for each in priced):
        notes.append("These prices are examples of the practice cloud; nothing here costs anything.")
    else:
        notes.append("From the public price list, without disks, traffic, discounts and taxes. This is not your bill.")
    notes.append(f"How many units a machine uses per hour: {UNITS_PAGE}")
    return Cost(tuple(priced), unknown=unknown, notes=tuple(notes))


def _running(context: StepContext, found: RunningCluster, stops: Mapping[str, str]) -> Running:
    # The action stops only the lab's cluster; somebody else's in the same workspace also costs money, but is theirs.
    labs = found.ours or found.name == context.names.values(context.environment).get("cluster")
    return Running(
        what=f"Cluster {found.name} ({context.environment})",
        environment=str(context.environment or ""),
        target_key=context.target,
        stop=stops.get(context.target, "") if labs else "",
        since=found.since.timestamp() if found.since else None,
        machines=((found.node_type, found.machines),),
        idle_minutes=found.idle_minutes,
        for_run=found.for_run,
    )


def _priced(context: StepContext, running: Sequence[Running]) -> tuple[Sequence[Running], str]:
    """Return the same with the list's prices, and the reason if there are none."""
    prices, location = context.services.prices, context.names.location
    try:
        unit = prices.databricks_unit(location)
        of_size = {size: prices.machine(size, location) for each in running for size, _ in each.machines}
    except UnreachableError as error:
        return running, f"{error.message} See {PAGE}"

    def priced(each: Running) -> Running:
        known = [(price, number) for size, number in each.machines if (price := of_size[size]) is not None]
        if len(known) < len(each.machines):
            return replace(each, unit=unit)
        return replace(
            each,
            hourly=sum(price.amount * number for price, number in known),
            currency=known[0][0].currency,
            unit=unit,
            example=any(price.example for price, _ in known),
        )

    return [priced(each) for each in running], ""


def lines(cost: Cost, command: str = "hol-wizard") -> list[str]:
    """Return what costs money now, one line each.

    Args:
        cost: What was found.
        command: The command for this cloud and profile, so that a line can be pasted.
    """
    told: list[str] = []
    for each in cost.running:
        told.append(f"runs: {each.what}: {each.text()}")
        if each.stop:
            told.append(
                f"      stop it: {command} do {each.target_key} {each.stop.rpartition('.')[2].replace('_', '-')}"
            )
    told += [f"unknown: {each}" for each in cost.unknown]
    if not cost.running and not cost.unknown:
        told.append("Nothing that is billed by the hour is running.")
    places: dict[str, list[str]] = {}
    for standing in cost.standing:
        places.setdefault(standing.cost, []).append(standing.target_key)
    told += [f"there: {', '.join(keys)}: {words}" for words, keys in places.items()]
    return [*told, *cost.notes]
