"""Somebody who works through the lab at a shell: their files, their practice cloud, and where they begin."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from hol_wizard.engine.results import Status
from hol_wizard.lab.model import Environment, Step, Target
from hol_wizard.paths import Home
from hol_wizard.practice import seed
from tests.end_to_end.ground import Ground
from tests.end_to_end.typed.documents import TO_FILL_IN, Block, Names, Plan
from tests.end_to_end.typed.shell import Reply
from tests.steps.attendee import Attendee, the_lab

ORGANIZATION = "practice"
CHOICES = {"prefix": "practice", "location": "westeurope", "alias": "attendee", "devops_organization": ORGANIZATION}
SCOPES = "vso.code_write vso.project_manage vso.memberentitlementmanagement_write"
"""Of the personal access token that the documents ask an organizer for."""
OWN = {
    "TERM": "xterm-256color",
    "GIT_PAGER": "cat",
    "PYTHONWARNINGS": "ignore",
    # Where there is no keyring, `az devops login` keeps the token in a file of the person's.
    "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
}
"""Variables of their shell."""


class Person(Attendee):
    """The wizard's files where the command line has them."""

    @property
    def home(self) -> Home:
        return Home(self.root / "config", self.root / "state", self.root / "cache")


@dataclass
class Reader:
    """A person at a practice cloud of their own."""

    ground: Ground
    kept: Path
    """Folder of the snapshots."""
    filled_in: dict[str, str] = field(default_factory=dict)
    """What they write instead of each word in capitals."""
    password: str = ""
    """Of the service principal, as it was shown once."""

    @property
    def home(self) -> Path:
        """The home folder of their shell."""
        return self.ground.machine.home.parent / "person"

    @property
    def attendee(self) -> Attendee:
        """The same person, with the wizard."""
        return Person(self.ground.machine.home, self.ground.cloud.endpoints_file, defaults=CHOICES)

    def names(self) -> Names:
        """Return what the documents call things, as the wizard shows them to this person."""
        wizard = self.attendee.wizard()
        wizard.connection.reach()
        wizard.connection.note_user()
        return {each: wizard.names.values(each) for each in (None, *Environment)}

    def take_snapshot(self, name: str) -> None:
        """Keep the cloud and the person's files."""
        self.ground.cloud.control.take_snapshot(name)
        for place, copy in self._folders(name):
            if place.is_dir():
                shutil.copytree(place, copy, symlinks=True)
            elif place.exists():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(place, copy)

    def restore_snapshot(self, name: str) -> None:
        """Put the cloud and the person's files back to what they were."""
        self.ground.cloud.control.restore_snapshot(name)
        for place, copy in self._folders(name):
            if place.is_dir():
                shutil.rmtree(place)
            place.unlink(missing_ok=True)
            if copy.is_dir():
                # With the time of now: MSAL reads a file again only if it is newer than what it has read.
                shutil.copytree(copy, place, symlinks=True, copy_function=shutil.copy)
            elif copy.exists():
                shutil.copy(copy, place)

    def _folders(self, name: str) -> list[tuple[Path, Path]]:
        home, cloud = self.ground.machine.home, self.ground.cloud.state
        places = [
            home / "config",
            home / "cache",
            cloud / "default",
            cloud / "azure",
            cloud / "databrickscfg",
            self.home,
        ]
        return [(place, self.kept / name / str(number)) for number, place in enumerate(places)]

    def completed(self, block: Block) -> str:
        """Return a block in which this person's words replace those in capitals."""
        return TO_FILL_IN.sub(lambda found: self.filled_in.get(found[0], found[0]), block.code)

    def begin(self, section: str) -> None:
        """Know no more than what a person knows who comes to a section."""
        # Who is to review has to be in the project; who is invited is not yet.
        somebody = seed.ORGANIZER if section == "pull-request" else seed.CONTRIBUTOR_USER
        self.filled_in = {"SOMEBODY@EXAMPLE.COM": somebody.name}

    def prepare(self, step: Step, environment: Environment | None, plan: Plan) -> None:
        """Do with the wizard what the commands of a step need and no command before them has done.

        That is what a person does by clicks, and the steps before this one if those were typed for another environment.
        """
        steps = the_lab().steps
        other = [
            Target(steps[need], environment).key
            for need in step.needs
            if need in steps and environment in steps[need].for_each and plan.environment_of(steps[need]) != environment
        ]
        keys = [*other, *([Target(step, environment).key] if step.key in plan.by_clicks else [])]
        if keys:
            seen = self.attendee.solve(*keys)
            assert {seen.statuses[key] for key in keys} == {Status.PASSED}, seen.results

    def replies(self, block: Block) -> list[Reply]:
        """Return what they type when a command of this block asks."""
        if "SP_PASSWORD" in block.code:
            return [Reply("", self.password)]
        if "az login --service-principal" in block.code:
            return [Reply("[Pp]assword", self.password)]
        if block.code.startswith("hol-wizard starter"):
            return [Reply("\\? ", "y", on_terminal=True)]
        if "az devops login" in block.code:
            token = self.ground.cloud.control.devops_token(ORGANIZATION, SCOPES)
            return [Reply("Token", str(token["token"]))]
        return []

    def approve(self, said: str) -> None:
        """Approve the sign-in with a device code that a command shows."""
        found = re.search(r"enter the code (\w+)", said)
        if found and found[1] != self.filled_in.get("code"):
            self.filled_in["code"] = found[1]
            self.ground.cloud.control.approve(found[1])

    def learn(self, block: Block, said: str) -> None:
        """Note what a block printed and later ones need."""
        last = said.strip().splitlines()[-1] if said.strip() else ""
        if "create-for-rbac" in block.code:
            made = json.loads(said[said.index("{") : said.rindex("}") + 1])
            self.password = made["password"]
            self.filled_in["APPLICATION-ID"] = made["appId"]
        elif "credential reset" in block.code:
            self.password = last
        elif "az ad sp show" in block.code:
            self.filled_in["OBJECT-ID"] = last
        elif "vaultUri" in block.code:
            self.filled_in["ADDRESS-OF-THE-VAULT"] = last
        elif "az identity show" in block.code:
            self.filled_in["CLIENT_ID"] = last
        elif "FederationIssuer" in block.code:
            self.filled_in["ISSUER"] = last
        elif "FederationSubject" in block.code:
            self.filled_in["SUBJECT"] = last
        elif "service-endpoint list" in block.code and "].id" in block.code:
            self.filled_in["CONNECTION_ID"] = last
        elif "az devops project show" in block.code and "--query id" in block.code:
            self.filled_in["PROJECT_ID"] = last
        elif "security group list" in block.code:
            self.filled_in["DESCRIPTOR"] = last
        elif "az repos show" in block.code and "--query id" in block.code:
            self.filled_in["REPOSITORY_ID"] = last
        elif "workspaceUrl" in block.code:
            self.filled_in["ADDRESS-OF-THE-WORKSPACE"] = last
        elif "spark-versions" in block.code:
            keys = re.findall(r'"key": "([^"]+-cpu-ml-[^"]+)",\s+"name": "[^"]* LTS', said)
            self.filled_in["KEY-OF-THE-RUNTIME"] = max(keys, key=lambda key: int(key.partition(".")[0]))
        elif "list-node-types" in block.code:
            self.filled_in["KEY-OF-THE-NODE-TYPE"] = "Standard_D4ds_v5"
        elif "databricks clusters" in block.code and (found := re.search(r'"cluster_id": "([^"]+)"', said)):
            self.filled_in |= dict.fromkeys(("ID-OF-THE-CLUSTER", "CLUSTER-ID", "CLUSTER_ID"), found[1])
        elif "az repos pr create" in block.code and (found := re.search(r'"pullRequestId": (\d+)', said)):
            self.filled_in["NUMBER"] = found[1]


def home_variables(home: Path) -> dict[str, str]:
    """Return the variables of a shell of somebody who lives here."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOL_WIZARD", "AZURE_", "DATABRICKS_", "GIT_", "PYTHON"))
    }
    return {**kept, "HOME": str(home), **OWN}
