"""A repository with a pipeline in the practice cloud, and its runs as the API shows them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.process.launch import ControlError
from tests.practice.conftest import user_token
from tests.practice.test_devops import SCOPE, DevOps, as_user
from tests.practice.test_devops_git import git, remote
from tests.practice.test_devops_pipelines import Project
from tests.practice_cloud import PracticeCloud

SECONDS = 60.0
"""How long a test waits for a run: it does nothing but a few shell commands."""


@dataclass
class Ground:
    """A clone, and the project that it belongs to."""

    cloud: PracticeCloud
    folder: Path
    project: Project = field(init=False)
    devops: DevOps = field(init=False)
    token: str = field(init=False)

    def __post_init__(self) -> None:
        self.devops = as_user(self.cloud)
        self.project = Project(self.devops)
        self.token = user_token(self.cloud, seed.ATTENDEE.name, SCOPE)

    def begin(self) -> None:
        """Make the project and the clone."""
        self.devops.make("lab")
        done = git(self.folder, "clone", remote(self.cloud), "clone", cloud=self.cloud, token=self.token)
        assert done.returncode == 0, done.stderr

    @property
    def clone(self) -> Path:
        """The folder of the clone."""
        return self.folder / "clone"

    def git(self, *words: str) -> str:
        """Run git in the clone."""
        done = git(self.clone, *words, cloud=self.cloud, token=self.token)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, message: str = "Changed", /, **files: str) -> str:
        """Commit files by their names, in which `__` stands for a dot, and return the commit."""
        for name, text in files.items():
            path = self.clone / name.replace("__", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def push(self, yaml: str, message: str = "Changed", *, branch: str = "main") -> str:
        """Commit the pipeline's YAML, agree to run it, push it to a branch, and return the commit."""
        made = self.commit(message, **{"azure-pipelines__yml": yaml})
        self.consent(made)
        self.git("push", "--quiet", "origin", f"HEAD:{branch}")
        return made

    def consent(self, commit: str) -> None:
        """Agree to what the pipelines would run at a commit, which need not be pushed; without any, `build`."""
        # Straight into the folder of the repository: a push to the service would start runs.
        identity = self.project.get(f"/git/repositories/{self.project.name}")["id"]
        bare = min(self.cloud.state.rglob(f"{identity}.git"), key=lambda each: len(each.parts))
        self.git("push", "--quiet", "--force", bare.as_uri(), f"{commit}:refs/to-be-agreed/{commit}")
        for each in self.project.get("/build/definitions")["value"] or [{"id": 0}]:
            self.agree(each["id"], name="build", file="azure-pipelines.yml", commit=commit)

    def agree(self, definition: int = 1, **more: Any) -> str:
        """Agree to what a run would do, and return the digest; does nothing if it cannot run."""
        try:
            plan = self.cloud.control.plan_pipeline("practice", "lab", definition, **more)
        except ControlError:
            return ""
        self.cloud.control.consent_to_pipeline(plan["digest"])
        return str(plan["digest"])

    def environment(self, name: str, *pipelines: int) -> dict[str, Any]:
        """Create an environment that these pipelines may use, or the first one if none is named."""
        answer = self.project.ask("POST", "/distributedtask/environments", {"name": name})
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        self.allow("environment", str(made["id"]), *(pipelines or (1,)))
        return made

    def allow(self, kind: str, identity: str, *pipelines: int) -> None:
        """Let pipelines use a protected resource."""
        body = {"pipelines": [{"id": each, "authorized": True} for each in pipelines]}
        path = f"/pipelines/pipelinepermissions/{kind}/{identity}"
        answer = self.project.ask("PATCH", path, body, version="7.1-preview.1")
        assert answer.status_code == 200, answer.text

    def queue(self, definition: int = 1, **more: Any) -> dict[str, Any]:
        """Agree to a build, and queue it as az does."""
        self.agree(
            definition,
            branch=more.get("sourceBranch", ""),
            commit=more.get("sourceVersion", ""),
            variables=json.loads(more.get("parameters") or "{}"),
            templateParameters=more.get("templateParameters") or {},
        )
        return self.queue_unseen(definition, **more)

    def queue_unseen(self, definition: int = 1, **more: Any) -> dict[str, Any]:
        """Queue a build that nobody has agreed to."""
        answer = self.project.ask("POST", "/build/builds", {"definition": {"id": definition}, **more})
        assert answer.status_code == 200, answer.text
        queued: dict[str, Any] = answer.json()
        return queued

    def wait(self, build: int, status: str = "completed") -> dict[str, Any]:
        """Wait until a build has a status."""
        deadline = time.monotonic() + SECONDS
        while True:
            found: dict[str, Any] = self.project.get(f"/build/builds/{build}")
            if found["status"] == status:
                return found
            assert time.monotonic() < deadline, f"{found['status']}: {self.timeline(build)}"
            time.sleep(0.05)

    def run(self, definition: int = 1, **more: Any) -> dict[str, Any]:
        """Queue a build, and wait for its end."""
        return self.wait(self.queue(definition, **more)["id"])

    def timeline(self, build: int) -> list[dict[str, Any]]:
        """Return the records of a build."""
        answer = self.project.ask("GET", f"/build/builds/{build}/timeline")
        return list(answer.json()["records"]) if answer.status_code == 200 else []

    def record(self, build: int, name: str) -> dict[str, Any]:
        """Return a record by its name."""
        return next(each for each in self.timeline(build) if each["name"] == name)
