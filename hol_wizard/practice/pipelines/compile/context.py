"""What a pipeline is compiled with, in addition to its own file."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class Files(Protocol):
    """The files of the run's commit, and of other repositories that the YAML names."""

    def read(self, path: str, repository: str = "", ref: str = "") -> str | None:
        """Return a file's text, or None if there is none.

        Args:
            path: From the repository's root, without a leading slash.
            repository: Name of another repository of the organization, as the YAML has it: `Repository` or
                `Project/Repository`; empty for the run's own.
            ref: The other repository's branch or tag, as the YAML has it; empty for its default branch.

        Raises:
            LookupError: There is no such repository or ref.
        """
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What a run provides."""

    variables: Mapping[str, str] = field(default_factory=dict)
    """Predefined variables that are available in templates, such as `Build.SourceBranch` and `Build.Reason`.

    Variables of groups and of the pipeline's settings are not available:
    https://learn.microsoft.com/azure/devops/pipelines/process/template-expressions.
    """
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """`templateParameters` of the request that starts the run."""
    machine: str = sys.platform
    """The system whose hosted images can be imitated; as `sys.platform`."""
