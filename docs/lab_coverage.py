"""Writes `docs/lab-coverage.md`: each step of the lab of 2019, and what the wizard does for it today.

    .venv/bin/python -m docs.lab_coverage [--check]

The table below says which steps of today carry a step of 2019; what the wizard does for them is read from the lab's
documents. With `--check` nothing is written, and the exit code is 1 if the page is out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from docs.generated import write
from hol_wizard.lab import loader
from hol_wizard.lab.model import Lab, Step

PAGE: Final = Path(__file__).parent / "lab-coverage.md"
COMMAND: Final = ".venv/bin/python -m docs.lab_coverage"


class Original(NamedTuple):
    """A step of the lab as it was written in 2019."""

    text: str
    """In the words of 2019, as far as they are short."""
    steps: tuple[str, ...]
    """Keys of the steps that carry it today."""


ORIGINAL: Final[Sequence[tuple[str, Sequence[Original]]]] = (
    (
        "Azure resources",
        (
            Original("Create three resource groups", ("resource-groups/create-the-three-resource-groups",)),
            Original(
                "Add a Machine Learning Service workspace", ("workspace-resources/add-a-machine-learning-workspace",)
            ),
            Original("Add a data lake (Azure Storage Gen2)", ("workspace-resources/add-a-data-lake",)),
            Original("Add an Azure Key Vault", ("workspace-resources/add-a-key-vault",)),
            Original("Add a Databricks workspace, Premium", ("workspace-resources/add-a-databricks-workspace",)),
            Original("Launch the workspace", ("cluster/launch-the-workspace",)),
            Original("Create a cluster that ends after 120 minutes", ("cluster/create-the-cluster",)),
            Original("Add the AzureML SDK as a library to the cluster", ("cluster/install-the-library",)),
            Original("Download AdultCensusIncome.csv", ("initial-data/get-the-data-file",)),
            Original("Create the blob container `datalake`", ("initial-data/create-the-container",)),
            Original("Upload the file to the container", ("initial-data/upload-the-data-file",)),
        ),
    ),
    (
        "Access from outside, service principal, secrets",
        (
            Original("Install Python 3", ("tools/python",)),
            Original("Install the Databricks CLI and the Azure CLI", ("tools/databricks-cli", "tools/azure-cli")),
            Original("Generate a user access token", ("databricks-access/generate-an-access-token",)),
            Original("Configure the Databricks CLI with a profile", ("databricks-access/configure-a-cli-profile",)),
            Original("Sign in with `az login`", ("set-up/sign-in",)),
            Original("Create a service principal", ("service-principal/create-the-service-principal",)),
            Original("Get its object id", ("service-principal/find-its-object-id",)),
            Original("Give it access to the files (Manage Access)", ("service-principal/give-it-access-to-the-files",)),
            Original("Give it the role Storage Blob Data Contributor", ("service-principal/give-it-the-storage-role",)),
            Original("Create a Key Vault backed secret scope", ("secrets/create-the-secret-scope",)),
            Original("Add the secrets for accessing data", ("secrets/add-the-secrets-of-the-data-lake",)),
            Original("Verify the secrets in the scope", ("secrets/verify-the-secrets-in-the-scope",)),
        ),
    ),
    (
        "Azure DevOps and the scientist's set-up",
        (
            Original("Choose or create an organization", ("devops-project/choose-the-organization",)),
            Original("Create a project: Git, Agile", ("devops-project/create-the-project",)),
            Original("Invite additional users", ("devops-project/invite-the-users",)),
            Original("Initialize the repository", ("devops-project/initialize-the-repository",)),
            Original("Set Databricks' Git provider to Azure DevOps", ("scientist-setup/add-your-git-credential",)),
            Original("Create a branch with your user id", ("scientist-setup/create-your-branch",)),
            Original(
                "Create a folder and a notebook, link them to the repository",
                ("scientist-setup/create-a-git-folder", "scientist-setup/open-the-training-notebook"),
            ),
        ),
    ),
    (
        "The dev loop",
        (
            Original("The proctor steps through the training code", ("train/read-the-training-code",)),
            Original(
                "Train the regression, register the model",
                ("train/run-the-training", "train/check-the-registered-model"),
            ),
            Original(
                "Save the notebook to your branch and pull it",
                ("train/commit-from-databricks", "inference-code/pull-the-training-code"),
            ),
            Original("The proctor runs through the project's structure", ("inference-code/know-the-code-structure",)),
            Original("Add one more unit test", ("inference-code/add-a-unit-test",)),
            Original("Set the variables of the local build", ("build-container/set-the-build-settings",)),
            Original(
                "Build the inference container",
                ("build-container/run-the-local-build", "build-container/look-at-the-image"),
            ),
            Original("Test the inference container", ("test-container/run-the-tests-in-the-container",)),
            Original("Look at the code coverage", ("test-container/read-the-coverage-report",)),
            Original("Add, commit, push", ("pull-request/commit-and-push",)),
            Original("Create a pull request with a reviewer", ("pull-request/create-the-pull-request",)),
            Original(
                "Review, approve, complete",
                ("pull-request/review-and-approve", "pull-request/complete-the-pull-request"),
            ),
        ),
    ),
    (
        "The build pipeline",
        (
            Original(
                "Create a variable group and link it to the key vault",
                (
                    "variable-group/create-the-identity",
                    "variable-group/create-the-service-connection",
                    "variable-group/trust-the-service-connection",
                    "variable-group/give-the-connection-its-roles",
                    "variable-group/confirm-the-pipeline-secrets",
                    "variable-group/link-the-key-vault",
                ),
            ),
            Original(
                "Create the pipeline: branch, agent, variable group, trigger",
                (
                    "build-pipeline/find-an-agent",
                    "build-pipeline/create-the-pipeline",
                    "build-pipeline/check-the-trigger",
                ),
            ),
            Original("Add and configure its nine tasks", ("build-pipeline/read-the-pipeline-file",)),
            Original(
                "Save and queue; look at the output",
                ("build-pipeline/run-the-pipeline", "build-pipeline/read-the-results"),
            ),
        ),
    ),
)
"""The steps of 2019 in their order, by part of the lab."""

HEAD: Final = """# What the wizard covers

<!-- Written by `{command}`: change that program, or the lab's documents, and run it. -->

The lab of 2019 has {count} steps. This page says for each what the wizard does today.

| column | means |
| --- | --- |
| guided | the wizard's text says how to do it by hand, with your own names |
| checked | a check reads the actual resource; *you confirm* where only a person can judge |
| done for you | "do it for me" and `hol-wizard solve` do it |
| undone | `undo` and `hol-wizard teardown` remove what the wizard created; – where nothing is created, or it stays |
| practiced | tests do and check it on the practice cloud, and so can you; – where the wizard does not check it yet |

*In part*: one step of 2019 is several steps today, and only some of them are covered.
"""

MARKS: Final = {True: "yes", False: "–"}


def page(lab: Lab) -> str:
    """Return the page for a lab.

    Raises:
        KeyError: A step that is named here is not in the lab.
    """
    steps = lab.steps
    numbers = {section.id: section.number for section in lab.sections}

    def name(step: Step) -> str:
        return f"{numbers[step.section]} · {step.title}"

    count = sum(len(originals) for _, originals in ORIGINAL)
    lines = [HEAD.format(command=COMMAND, count=count)]
    number = 0
    totals = [0, 0, 0, 0, 0]
    named: set[str] = set()
    for heading, originals in ORIGINAL:
        lines += [f"## {heading}", "", *_head("#", "2019", "today")]
        for original in originals:
            number += 1
            found = [steps[key] for key in original.steps]
            named |= set(original.steps)
            cells = _cells(found)
            totals = [total + (cell in {"yes", "you confirm"}) for total, cell in zip(totals, cells, strict=True)]
            today = "<br>".join(name(step) for step in found)
            lines.append(f"| {number} | {original.text} | {today} | {' | '.join(cells)} |")
        lines.append("")
    whole = ", ".join(
        f"{total} {word}"
        for total, word in zip(totals, ("guided", "checked or confirmed", "done", "undone", "practiced"), strict=True)
    )
    lines += [f"Of the {count} steps of 2019, in full: {whole}.", ""]
    lines += [
        "## Steps that 2019 did not have",
        "",
        "The services ask for them today, or the later edition of the lab added them.",
        "",
    ]
    lines += _head("section", "step")
    for step in steps.values():
        if step.key not in named:
            lines.append(f"| {numbers[step.section]} | {step.title} | {' | '.join(_cells([step]))} |")
    return "\n".join([*lines, ""])


def _head(*columns: str) -> Iterator[str]:
    names = (*columns, "guided", "checked", "done for you", "undone", "practiced")
    yield f"| {' | '.join(names)} |"
    yield f"|{' --- |' * len(names)}"


def _cells(steps: Sequence[Step]) -> tuple[str, str, str, str, str]:
    """Return what the wizard does for steps: guided, checked, done, undone, practiced."""
    checked = "you confirm" if all(step.confirm for step in steps) else _some(bool(step.check) for step in steps)
    practiced = "no cloud needed" if all(step.confirm for step in steps) else _some(bool(step.check) for step in steps)
    return (
        _some(bool(step.body) for step in steps),
        checked,
        _some(bool(step.solve) for step in steps),
        _some(bool(step.undo) for step in steps),
        practiced,
    )


def _some(each: Iterable[bool]) -> str:
    found = tuple(each)
    return "in part" if any(found) and not all(found) else MARKS[all(found)]


if __name__ == "__main__":
    sys.exit(write(PAGE, page(loader.load()), COMMAND, sys.argv[1:]))
