"""The folders of a job.

Their names are those of the azure-pipelines-agent: `_work/1` with `s`, `a`, `b` and `TestResults`, `_work/_temp`,
`_work/_tool` (https://learn.microsoft.com/azure/devops/pipelines/build/variables). A Microsoft-hosted agent is a new
machine for each job: the folder of a kernel's job is new, too, and is removed when the job ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class OutsideError(Exception):
    """A path leaves the folder that it must stay in."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folders of one job."""

    root: Path
    """The job's own folder: the agent's home folder."""

    @property
    def work(self) -> Path:
        """Return `Agent.WorkFolder`."""
        return self.root / "_work"

    @property
    def build(self) -> Path:
        """Return `Agent.BuildDirectory` and `Pipeline.Workspace`."""
        return self.work / "1"

    @property
    def sources(self) -> Path:
        """Return `Build.SourcesDirectory`."""
        return self.build / "s"

    @property
    def staging(self) -> Path:
        """Return `Build.ArtifactStagingDirectory`."""
        return self.build / "a"

    @property
    def binaries(self) -> Path:
        """Return `Build.BinariesDirectory`."""
        return self.build / "b"

    @property
    def test_results(self) -> Path:
        """Return `Common.TestResultsDirectory`."""
        return self.build / "TestResults"

    @property
    def temporary(self) -> Path:
        """Return `Agent.TempDirectory`."""
        return self.work / "_temp"

    @property
    def tools(self) -> Path:
        """Return `Agent.ToolsDirectory`."""
        return self.work / "_tool"

    @property
    def home(self) -> Path:
        """Return the home folder of the steps' programs."""
        return self.root / "home"

    @property
    def shims(self) -> Path:
        """Return the folder of the programs that refuse to work here."""
        return self.root / "shims"

    def create(self) -> None:
        """Create all folders."""
        folders = (self.sources, self.staging, self.binaries, self.test_results, self.temporary, self.tools)
        for each in (*folders, self.home, self.shims):
            each.mkdir(parents=True, exist_ok=True, mode=0o700)

    def inside(self, path: str) -> Path:
        """Return a path below `Agent.BuildDirectory`.

        Raises:
            OutsideError: It leaves that folder.
        """
        found = (self.build / path).resolve()
        if not found.is_relative_to(self.build.resolve()):
            # GitSourceProvider.cs and BuildDirectoryManager: the path of `checkout` stays in the agent's folder.
            raise OutsideError(f"Input 'path' must stay within the agent's build directory: '{path}'")
        return found
