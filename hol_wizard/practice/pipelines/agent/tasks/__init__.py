"""What the tasks do, by `name@major` in lowercase. Their definitions are in `pipelines.tasks`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines.agent.context import StepContext
from hol_wizard.practice.pipelines.agent.tasks import (
    archives,
    artifacts,
    azure_cli,
    cache,
    files,
    key_vault,
    programs,
    python_version,
    results,
    scripts,
)

Run = Callable[[StepContext], Awaitable[Result | None]]

RUNS: Final[Mapping[str, Run]] = {
    "archivefiles@2": archives.archive,
    "azurecli@1": azure_cli.run,
    "azurecli@2": azure_cli.run,
    "azurekeyvault@2": key_vault.run,
    "bash@3": scripts.bash,
    "cache@2": cache.run,
    "cmdline@2": scripts.cmd_line,
    "copyfiles@2": files.copy,
    "deletefiles@1": files.delete,
    "docker@2": programs.docker,
    "download@1": artifacts.download_step,
    "downloadbuildartifacts@0": artifacts.download_build,
    "downloadbuildartifacts@1": artifacts.download_build,
    "downloadpipelineartifact@1": artifacts.download_pipeline,
    "downloadpipelineartifact@2": artifacts.download_pipeline,
    "extractfiles@1": archives.extract,
    "powershell@2": programs.powershell,
    "publishbuildartifacts@1": artifacts.publish_build,
    "publishcodecoverageresults@1": results.publish_coverage_1,
    "publishcodecoverageresults@2": results.publish_coverage_2,
    "publishpipelineartifact@0": artifacts.publish_pipeline,
    "publishpipelineartifact@1": artifacts.publish_pipeline,
    "publishtestresults@2": results.publish_tests,
    "pythonscript@0": programs.python,
    "usepythonversion@0": python_version.run,
}
