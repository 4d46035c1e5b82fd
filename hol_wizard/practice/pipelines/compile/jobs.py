"""Jobs: agent jobs, deployment jobs, and server jobs.

Sources: https://learn.microsoft.com/azure/devops/pipelines/yaml-schema/jobs-job, `jobs-deployment`, and
https://learn.microsoft.com/azure/devops/pipelines/process/deployment-jobs.
"""

from __future__ import annotations

from dataclasses import dataclass

from hol_wizard.practice.pipelines import tasks
from hol_wizard.practice.pipelines.compile.fields import NAME, Fields, check_runtime, scalar_text
from hol_wizard.practice.pipelines.compile.nodes import MappingNode, Node, ScalarNode, filled, refuse
from hol_wizard.practice.pipelines.compile.pools import DEFAULT_IMAGE, pool
from hol_wizard.practice.pipelines.compile.problems import Findings
from hol_wizard.practice.pipelines.compile.steps import step
from hol_wizard.practice.pipelines.compile.variables import variable_sources
from hol_wizard.practice.pipelines.expressions.places import JOB_CONDITION
from hol_wizard.practice.pipelines.plan import (
    DEFAULT_JOB,
    Environment,
    Hook,
    Job,
    JobKind,
    Pool,
    Position,
    Step,
    Strategy,
)

_HOOKS = ("preDeploy", "deploy", "routeTraffic", "postRouteTraffic")
_CLEAN = ("outputs", "resources", "all")


@dataclass(frozen=True, slots=True)
class JobMaker:
    """Makes the jobs of a stage."""

    findings: Findings
    inherited: Pool | None
    """The stage's or the pipeline's pool."""

    def job(self, node: Node, number: int) -> Job:
        """Return one element of `jobs`.

        Args:
            node: The element, expanded.
            number: Its place in the list from 1, for a name if it has none.

        Raises:
            PipelineError: It is not valid.
        """
        fields = Fields(node, "a job")
        kind = "deployment" if fields.has("deployment") else "job"
        if not fields.has(kind):
            key = node.entries[0][0] if isinstance(node, MappingNode) and node.entries else node
            text = key.text if isinstance(key, ScalarNode) else ""
            raise refuse(key.place, f"Unexpected value '{text}'. A job begins with 'job', 'deployment' or 'template'.")
        name = fields.name(kind, "job", f"Job{number}")
        return self._job(fields, name, node.place, deployment=kind == "deployment")

    def root(self, fields: Fields, place: Position) -> Job:
        """Return the job of a pipeline that has only steps; its properties are the root's.

        Raises:
            PipelineError: It is not valid.
        """
        return self._job(fields, DEFAULT_JOB, place, deployment=False, root=True)

    def _job(self, fields: Fields, name: str, place: Position, *, deployment: bool, root: bool = False) -> Job:
        fields.refuse("container", "jobs run on this machine.")
        fields.refuse("services", "jobs run on this machine.")
        own = self.inherited if root else (pool(fields.node("pool")) or self.inherited)
        if own is None:
            own = Pool(vm_image=DEFAULT_IMAGE)
            self.findings.note(place, f"Without 'pool', the job '{name}' runs on '{DEFAULT_IMAGE}'.")
        kind = JobKind.DEPLOYMENT if deployment else JobKind.SERVER if own.server else JobKind.AGENT
        steps: tuple[Step, ...] = ()
        hooks: tuple[Hook, ...] = ()
        strategy = None
        if deployment:
            hooks = self._hooks(fields, name)
            if own.server:
                raise refuse(own.place or place, f"The deployment job '{name}' needs a pool with an agent.")
        else:
            strategy = _strategy(fields.mapping("strategy"))
            steps = self.steps(fields, server=own.server)
        # Templates that are extended read it; it has no effect itself.
        fields.node("templateContext")
        job = Job(
            kind=kind,
            name=name,
            place=place,
            display_name="" if root else fields.text("displayName").strip(),
            depends_on=() if root else fields.texts("dependsOn"),
            condition=None if root else fields.condition(JOB_CONDITION),
            variables=() if root else variable_sources(fields.items("variables")),
            pool=own,
            steps=steps,
            hooks=hooks,
            environment=_environment(fields.node("environment"), place, name) if deployment else None,
            strategy=strategy,
            timeout_minutes=fields.late_number("timeoutInMinutes", 60),
            cancel_timeout_minutes=fields.late_number("cancelTimeoutInMinutes", 5),
            continue_on_error=fields.late_flag("continueOnError"),
            workspace_clean=_workspace(fields.mapping("workspace")),
        )
        if not root:
            self._uses(fields.mapping("uses"))
            fields.end()
        return job

    def steps(self, fields: Fields, *, server: bool = False) -> tuple[Step, ...]:
        """Return the steps of a job or a hook; all problems of all of them are found."""
        found: list[Step] = []
        for each in fields.items("steps"):
            with self.findings.gather():
                made = step(each, self.findings)
                known = tasks.find(made.task)
                if server != (known is not None and known.server):
                    where = "'pool: server'" if server else "an agent"
                    raise refuse(each.place, f"The task {made.task} cannot run in a job with {where}.")
                found.append(made)
        names: set[str] = set()
        for made in found:
            if made.name and made.name.lower() in names:
                self.findings.problem(made.place, f"The step name {made.name} appears more than once in its job.")
            names.add(made.name.lower())
        return tuple(found)

    def _uses(self, node: MappingNode | None) -> None:
        if node is not None:
            self.findings.note(node.place, "'uses' has no effect in the practice cloud.")

    def _hooks(self, fields: Fields, name: str) -> tuple[Hook, ...]:
        node = fields.mapping("strategy")
        if node is None:
            raise refuse(fields.place(), f"The deployment job '{name}' needs a 'strategy'.")
        strategy = Fields(node, "'strategy'")
        for other in ("rolling", "canary"):
            strategy.refuse(other, "only 'runOnce' is run.")
        once = strategy.mapping("runOnce")
        strategy.end()
        if once is None:
            raise refuse(node.place, f"The strategy of the deployment job '{name}' needs 'runOnce'.")
        inner = Fields(once, "'runOnce'")
        hooks = [self._hook(inner, each, each) for each in _HOOKS if inner.has(each)]
        if not inner.has("deploy"):
            raise refuse(once.place, f"The deployment job '{name}' needs the hook 'deploy'.")
        after = inner.mapping("on")
        if after is not None:
            both = Fields(after, "'on'")
            hooks += [self._hook(both, each, f"on.{each}") for each in ("success", "failure") if both.has(each)]
            both.end()
        inner.end()
        return tuple(hooks)

    def _hook(self, parent: Fields, name: str, full: str) -> Hook:
        node = filled(parent.node(name))
        place = parent.key_place(name)
        if node is None:
            return Hook(full, (), place)
        fields = Fields(node, f"'{name}'")
        own = pool(fields.node("pool"))
        if own is not None and own.server:
            raise refuse(own.place or place, "The practice agent does not know hooks with 'pool: server'.")
        steps = self.steps(fields)
        fields.end()
        return Hook(full, steps, place, own)


def _environment(node: Node | None, place: Position, job: str) -> Environment:
    if (node := filled(node)) is None:
        raise refuse(place, f"The deployment job '{job}' needs an 'environment'.")
    if isinstance(node, ScalarNode):
        name, _, resource = node.text.strip().partition(".")
        return Environment(name, node.place, resource)
    fields = Fields(node, "'environment'")
    for other in ("resourceId", "resourceType", "tags"):
        fields.refuse(other, "environments have no resources.")
    found = Environment(fields.text("name").strip(), node.place, fields.text("resourceName").strip())
    fields.end()
    if not found.name:
        raise refuse(node.place, "An environment needs a name.")
    return found


def _workspace(node: MappingNode | None) -> str:
    if node is None:
        return ""
    fields = Fields(node, "'workspace'")
    clean = fields.text("clean").strip().lower()
    if clean and clean not in _CLEAN:
        raise refuse(fields.place("clean"), f"Expected {', '.join(_CLEAN)} for 'clean', not '{clean}'.")
    fields.end()
    return clean


def _strategy(node: MappingNode | None) -> Strategy | None:
    if node is None:
        return None
    fields = Fields(node, "'strategy'")
    matrix = fields.node("matrix")
    if matrix is not None and fields.has("parallel"):
        raise refuse(fields.key_place("parallel"), "A strategy has 'matrix' or 'parallel', not both.")
    found = Strategy(
        matrix={} if matrix is None else _matrix(matrix),
        parallel=fields.late_number("parallel"),
        max_parallel=fields.late_number("maxParallel"),
    )
    fields.end()
    return found if found.matrix or found.parallel else None


def _matrix(node: Node) -> dict[str, dict[str, str]] | str:
    if isinstance(node, ScalarNode):
        text = node.text.strip()
        if not text.startswith("$["):
            if text:
                raise refuse(node.place, "Expected a mapping or a runtime expression for 'matrix'.")
            return {}
        check_runtime(text, node.place)
        return text
    if not isinstance(node, MappingNode):
        raise refuse(node.place, "Expected a mapping for 'matrix', not a list.")
    legs: dict[str, dict[str, str]] = {}
    for key, leg in node.entries:
        if not NAME.match(key.text):
            raise refuse(key.place, f"The name '{key.text}' of a matrix's leg is not valid.")
        if not isinstance(leg, MappingNode):
            raise refuse(leg.place, f"Expected a mapping of variables for the leg '{key.text}'.")
        legs[key.text] = {name.text: scalar_text(value, name.text) for name, value in leg.entries}
    return legs
