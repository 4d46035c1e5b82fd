"""What the tasks do, by `name@major` in lowercase. Their definitions are in `pipelines.tasks`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines.agent.context import StepContext
from hol_wizard.practice.pipelines.agent.tasks import artifacts, azure_cli, files, python_version, results, scripts

Run = Callable[[StepContext], Awaitable[Result | None]]

RUNS: Final[Mapping[str, Run]] = {
    "azurecli@1": azure_cli.run,
    "azurecli@2": azure_cli.run,
    "bash@3": scripts.bash,
    "cmdline@2": scripts.cmd_line,
    "copyfiles@2": files.copy,
    "download@1": artifacts.download_step,
    "downloadpipelineartifact@2": artifacts.download_pipeline,
    "publishbuildartifacts@1": artifacts.publish_build,
    "publishcodecoverageresults@1": results.publish_coverage_1,
    "publishcodecoverageresults@2": results.publish_coverage_2,
    "publishpipelineartifact@0": artifacts.publish_pipeline,
    "publishpipelineartifact@1": artifacts.publish_pipeline,
    "publishtestresults@2": results.publish_tests,
    "usepythonversion@0": python_version.run,
}
