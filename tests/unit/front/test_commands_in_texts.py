"""Commands that texts and results name are about the cloud and the profile of whoever reads them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hol_wizard.engine.events import CheckFinished, RunFinished
from hol_wizard.engine.registry import CHECKS, Check
from hol_wizard.engine.results import Result, Status
from hol_wizard.errors import SignInError
from hol_wizard.paths import Home
from hol_wizard.resources.context import StepContext
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.wizard.facade import Wizard, open_wizard
from hol_wizard.wizard.registration import load_steps

STEP = "set-up/choose-your-names"
SEVERAL = "Do hol-wizard solve secrets, then `hol-wizard --check`; hol-wizard --list and hol-wizard starter say more."


def wizard_of(tmp_path: Path, cloud: str, profile: str = "default") -> Wizard:
    return open_wizard(
        home=Home(tmp_path / "config", tmp_path / "state"),
        cloud=cloud,
        profile=profile,
        connect=lambda: Endpoints.of_cloud("azure"),
        environ={},
    )


@pytest.mark.parametrize(
    ("cloud", "profile", "options"),
    [
        ("azure", "default", ""),
        ("practice", "default", " --practice"),
        ("usgov", "default", " --cloud usgov"),
        ("azure", "team", " --profile team"),
        ("practice", "team", " --practice --profile team"),
    ],
)
def test_the_commands_of_a_text_have_the_readers_options(
    tmp_path: Path, cloud: str, profile: str, options: str
) -> None:
    wizard = wizard_of(tmp_path, cloud, profile)
    assert wizard.text(SEVERAL) == (
        f"Do hol-wizard{options} solve secrets, then `hol-wizard{options} --check`; "
        "hol-wizard --list and hol-wizard starter say more."
    )


def test_the_commands_of_a_result_have_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(context: StepContext) -> Result:
        raise SignInError("No.", SEVERAL)

    load_steps()
    wizard = wizard_of(tmp_path, "practice")
    (target,) = wizard.targets([STEP])
    for run in (lambda context: Result(Status.FAILED, "No.", next_action=SEVERAL), refused):
        monkeypatch.setitem(CHECKS, target.step.check, Check("played", run, 5.0))
        events = list(wizard.check([target]))
        told = [event.result for event in events if isinstance(event, CheckFinished)]
        (last,) = [event.results[target.key] for event in events if isinstance(event, RunFinished)]
        assert {each.next_action for each in (*told, last)} == {wizard.text(SEVERAL)}


def test_documents_name_azure_devops_by_its_real_name(tmp_path: Path) -> None:
    """As a shell knows it that was prepared for the practice cloud."""
    wizard = open_wizard(
        home=Home(tmp_path / "config", tmp_path / "state"),
        cloud="practice",
        profile="default",
        connect=lambda: replace(Endpoints.of_cloud("azure"), devops="https://127.0.0.1:4711"),
        environ={},
    )
    wizard.connection.reach()
    clone = "git clone https://dev.azure.com/team/_git/lab; look at https://vssps.dev.azure.com"
    assert wizard.text(clone) == clone
