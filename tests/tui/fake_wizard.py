"""A wizard over a small lab that lives in memory: what the screens are tested against.

It keeps state (a solve makes the later check pass), streams a log, and can be told to be slow, to fail or to ask.
Run it as a program to look at the screens without a cloud: `python -m tests.tui.fake_wizard`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from hol_wizard.doctor.cost import Cost, Running
from hol_wizard.lab.model import Environment, Lab, Role, Section, Step
from hol_wizard.paths import Home
from tests import fake_wizard
from tests.fake_wizard import CHECK, SOLVE, UNDO

RUNS = Cost(
    tuple(
        Running(
            f"Cluster cpu ({place})",
            place,
            f"workspace-resources/add-a-databricks-workspace@{place}",
            "workspace.stop",
            since=time.time() - 3700,
            machines=(("Standard_D4ds_v5", 1),),
            idle_minutes=120,
            hourly=0.24,
            currency="USD",
        )
        for place in ("dev", "pipeline")
    ),
    notes=("By the public price list: no bill.",),
)
"""Two clusters that run."""

DEV, PIPELINE, PROD = Environment.DEV, Environment.PIPELINE, Environment.PROD


CHOSEN = {"prefix": "practice", "location": "westeurope", "alias": "ada"}

OPTIONS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "location": (("westeurope", "West Europe"), ("northeurope", "North Europe"), ("eastus", "East US")),
    "subscription": (("0001", "Hands-on lab (Enabled)"), ("0002", "Production (Enabled)")),
}

GROUPS_BODY = """Each environment has a resource group of its own, so that one can be handed on, or thrown away,
without the others.

**By hand**

1. In the portal select **Resource groups**, then **Create**.
2. Choose your subscription, name it `{resource_group}` and choose the region `{location}`.

Or from a terminal:

```bash
az group create --name {resource_group} --location {location}
```

Look at it afterwards:

```bash
az group show --name {resource_group} --query properties.provisioningState
```

| Environment | What for |
| --- | --- |
| dev | experiments |
| pipeline | the build's own |
| prod | what is released |
"""


def _step(section: str, slug: str, title: str, **values: object) -> Step:
    values.setdefault(
        "body", f"What **{title.lower()}** is for, and how to do it by hand.\n\n```bash\naz do {slug}\n```\n"
    )
    return Step(id=slug, section=section, title=title, line=1, **values)  # type: ignore[arg-type]  # only known fields


def _section(
    number: int, slug: str, title: str, role: Role, minutes: int, *steps: Step, needs: tuple[str, ...] = ()
) -> Section:
    intro = f"This section is about **{title.lower()}**. Everything that follows stands on it.\n\nTake your time."
    return Section(slug, number, title, role, minutes, needs, intro, steps, Path(f"screens/{number:02}-{slug}.md"))


def small_lab(groups_need: tuple[str, ...] = ()) -> Lab:
    """Return nineteen sections, the first four of which can be checked; what the groups need is up to the test."""
    every, org, sci, ops = Role.EVERYONE, Role.ORGANIZER, Role.SCIENTIST, Role.OPERATIONS
    both = (DEV, PIPELINE)
    sections = [
        _section(
            1,
            "set-up",
            "Set up: who, where, sign-in",
            every,
            10,
            _step(
                "set-up",
                "choose-your-names",
                "Choose your names",
                check=CHECK,
                solve=SOLVE,
                undo=UNDO,
                keep=True,
                inputs=("prefix", "location", "alias"),
                minutes=2,
            ),
            _step("set-up", "sign-in", "Sign in", check=CHECK, solve=SOLVE, undo=UNDO, keep=True),
            _step(
                "set-up",
                "choose-the-subscription",
                "Choose the subscription",
                check=CHECK,
                solve=SOLVE,
                inputs=("subscription",),
                needs=("set-up/sign-in",),
                keep=True,
            ),
        ),
        _section(
            2,
            "tools",
            "Tools on your machine",
            every,
            15,
            _step("tools", "python", "Python", check=CHECK, human="Installing programs is up to you."),
            _step("tools", "git", "Git", check=CHECK, human="Installing programs is up to you."),
            _step("tools", "docker-engine", "A Docker engine", check=CHECK, human="Installing programs is up to you."),
        ),
        _section(
            3,
            "resource-groups",
            "Create the resource groups",
            org,
            5,
            _step(
                "resource-groups",
                "create-the-three-resource-groups",
                "Create the three resource groups",
                body=GROUPS_BODY,
                check=CHECK,
                solve=SOLVE,
                undo=UNDO,
                for_each=(DEV, PIPELINE, PROD),
                needs=groups_need,
                portal="resource_group",
                cost="free",
                minutes=1,
                hints=(
                    "Each environment has a resource group of its own.",
                    "Its name is {resource_group}.",
                    "az group create --name {resource_group} --location {location}",
                ),
            ),
            needs=("set-up",),
        ),
        _section(
            4,
            "workspace-resources",
            "Create the workspace resources",
            org,
            40,
            _step(
                "workspace-resources",
                "register-the-resource-providers",
                "Register the resource providers",
                check=CHECK,
                solve=SOLVE,
            ),
            _step(
                "workspace-resources",
                "add-a-machine-learning-workspace",
                "Add a Machine Learning workspace",
                check=CHECK,
                solve=SOLVE,
                undo=UNDO,
                for_each=both,
                portal="ml_workspace",
                minutes=3,
                cost="free; its storage about 1 € a month",
            ),
            _step(
                "workspace-resources",
                "add-a-data-lake",
                "Add a data lake",
                check=CHECK,
                solve=SOLVE,
                undo=UNDO,
                for_each=both,
                portal="storage_account",
            ),
            _step(
                "workspace-resources",
                "add-a-key-vault",
                "Add a Key Vault",
                check=CHECK,
                solve=SOLVE,
                undo=UNDO,
                for_each=both,
            ),
            _step(
                "workspace-resources",
                "add-a-databricks-workspace",
                "Add a Databricks workspace",
                check=CHECK,
                solve=SOLVE,
                undo=UNDO,
                actions=("workspace.start", "workspace.stop"),
                inputs=("cluster_size", "node_type", "own_data_file", "token_in_profile"),
                for_each=both,
            ),
            _step(
                "workspace-resources",
                "add-a-container-registry",
                "Add a container registry",
                check=CHECK,
                solve=SOLVE,
                undo=UNDO,
                for_each=(PROD,),
            ),
            needs=("resource-groups",),
        ),
    ]
    rest = [
        ("cluster", "Create the cluster and its library", org, 15),
        ("initial-data", "Bring in the initial data", org, 10),
        ("databricks-access", "Databricks access: token and CLI", org, 10),
        ("service-principal", "The service principal and the lake", org, 20),
        ("secrets", "Secret scope and secrets", org, 15),
        ("devops-project", "Create the Azure DevOps project", org, 30),
        ("scientist-setup", "Set up as a data scientist", sci, 15),
        ("train", "Train the model", sci, 25),
        ("inference-code", "Inference code: pull, test first", sci, 30),
        ("build-container", "Build the container", sci, 15),
        ("test-container", "Test the container", sci, 15),
        ("pull-request", "Pull request and review", sci, 10),
        ("variable-group", "The variable group", ops, 10),
        ("build-pipeline", "The build pipeline", ops, 25),
        ("release", "Release to production", ops, 20),
    ]
    for number, (slug, title, role, minutes) in enumerate(rest, 5):
        said = "I have read the code." if slug == "train" else ""
        steps = (_step(slug, "do-it", f"{title}: do it"), _step(slug, "look-at-it", "Look at it", confirm=said))
        sections.append(_section(number, slug, title, role, minutes, *steps))
    return Lab(tuple(sections))


class FakeWizard(fake_wizard.FakeWizard):
    """A wizard over the lab above, whose names are chosen and whose tools are there."""

    def __init__(self, home: Home, *, groups_need: tuple[str, ...] = (), saved: Mapping[str, str] = CHOSEN) -> None:
        super().__init__(home.config.parent, small_lab(groups_need), None, **saved)
        self.world.done |= {"tools/python", "tools/git"}
        self.world.options |= OPTIONS
        self.world.lines = 4


if __name__ == "__main__":
    import sys
    import tempfile

    from hol_wizard.tui.app import run

    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    fake = FakeWizard(Home(folder / "config", folder / "state"))
    fake.world.pace, fake.world.lines, fake.costs = 0.15, 40, RUNS
    sys.exit(run(fake.as_wizard))
