"""The tasks PublishTestResults@2 and PublishCodeCoverageResults@1 and @2.

azure-pipelines-tasks, PublishTestResultsV2/publishtestresults.ts and PublishCodeCoverageResultsV2; the
azure-pipelines-agent reads the files (ResultsCommandExtension.cs, CodeCoverageCommandExtension.cs and its
CoberturaSummaryReader).
"""

from __future__ import annotations

from pathlib import Path

from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines.agent import junit, patterns
from hol_wizard.practice.pipelines.agent.context import StepContext, TaskError
from hol_wizard.practice.pipelines.agent.junit import UnreadableResultsError
from hol_wizard.practice.pipelines.host import CaseResult, Coverage, CoverageStatistic, PublishedTests

_FAILED_TESTS = (
    "There are one or more test failures detected in result files. Detailed summary of published test results can be"
    " viewed in the Tests tab."
)


async def publish_tests(context: StepContext) -> Result:
    """Run the task PublishTestResults@2."""
    kind = context.input("testRunner", required=True)
    if kind.lower() != "junit":
        raise TaskError(f"The practice agent reads test results of the format JUnit, not of the format {kind}.")
    wanted = context.input("testResultsFiles", required=True).splitlines()
    folder = context.path("searchFolder")
    files = patterns.find(folder, wanted)
    if not files:
        message = f"No test result files matching {','.join(wanted)} were found."
        if context.flag("failTaskOnMissingResultsFile"):
            raise TaskError(message)
        context.log.warning(message)
        return Result.SUCCEEDED
    found = {file: results for file in files if (results := await _read(context, file)) is not None}
    title, failed = context.input("testRunTitle"), 0
    if context.flag("mergeTestResults") and found:
        cases = [case for each in found.values() for case in each.cases]
        await _publish(context, title or f"JUnit_{next(iter(found)).stem}", cases, list(found))
        failed = sum(each.failed for each in found.values())
    else:
        for number, (file, each) in enumerate(found.items(), start=1):
            own = each.suites[0] if len(each.suites) == 1 and each.suites[0] else f"JUnit_{file.name}"
            name = (f"{title}_{number}" if len(found) > 1 else title) if title else own
            await _publish(context, name, each.cases, [file])
            failed += each.failed
    if failed and context.flag("failTaskOnFailedTests"):
        raise TaskError(_FAILED_TESTS)
    return Result.SUCCEEDED


async def _read(context: StepContext, file: Path) -> junit.Results | None:
    try:
        found = await context.in_thread(junit.read, file)
    except UnreadableResultsError as error:
        context.log.warning(f"Failed to read {file}. Error : {error}.")
        context.log.warning(
            f"Invalid results file. Make sure the result format of the file '{file}' matches 'JUnit' test results"
            " format."
        )
        return None
    if not found.cases:
        context.log.warning(f"No Result Found to Publish '{file}'.")
        return None
    return found


async def _publish(context: StepContext, name: str, cases: list[CaseResult], files: list[Path]) -> None:
    attached = files if context.input("publishRunAttachments").lower() != "false" else []
    tests = PublishedTests(
        context.job.masker.mask(name),
        cases,
        attached,
        context.input("platform"),
        context.input("configuration"),
    )
    await context.job.host.publish_tests(context.job.key, tests)
    context.log.write(f"Publishing test results to test run '{tests.name}'.")
    context.log.write(f"Total tests: {len(cases)}, failed: {sum(each.outcome == 'Failed' for each in cases)}.")


async def publish_coverage_1(context: StepContext) -> Result:
    """Run the task PublishCodeCoverageResults@1."""
    tool = context.input("codeCoverageTool", required=True)
    if tool.lower() != "cobertura":
        raise TaskError(f"The practice agent reads coverage of the format Cobertura, not of the format {tool}.")
    report = context.input("reportDirectory")
    folder = context.path("reportDirectory") if report else None
    return await _coverage(context, folder)


async def publish_coverage_2(context: StepContext) -> Result:
    """Run the task PublishCodeCoverageResults@2."""
    return await _coverage(context, None)


async def _coverage(context: StepContext, report: Path | None) -> Result:
    wanted = context.input("summaryFileLocation", required=True).splitlines()
    files = patterns.find(context.job.workspace.sources, wanted)
    if not files:
        message = f"No code coverage results were found to publish. Looked for: {', '.join(wanted)}"
        if context.flag("failIfCoverageEmpty"):
            raise TaskError(message)
        context.log.warning(message)
        return Result.SUCCEEDED
    for file in files:
        context.log.write(f"Reading code coverage summary from '{file}'")
        try:
            coverage = await context.in_thread(_cobertura, file, report)
        except (UnreadableResultsError, ValueError) as error:
            raise TaskError(
                f"Unable to read the code coverage summary '{file}' in the format Cobertura: {error}"
            ) from error
        if not coverage.statistics:
            context.log.warning("No coverage data found. Check the build errors/warnings for more details.")
            continue
        context.log.write("Publishing coverage summary data to TFS server.")
        for each in coverage.statistics:
            context.log.write(f"{each.label}- {each.covered} of {each.total} covered.")
        await context.job.host.publish_coverage(context.job.key, coverage)
    return Result.SUCCEEDED


def _cobertura(file: Path, report: Path | None) -> Coverage:
    root = junit.read_xml(file)
    if root.tag != "coverage":
        raise ValueError(f"its root is <{root.tag}>")
    statistics = []
    for label, covered, total in (
        ("Lines", "lines-covered", "lines-valid"),
        ("Branches", "branches-covered", "branches-valid"),
    ):
        if root.get(covered) and root.get(total):
            statistics.append(CoverageStatistic(label, int(root.get(covered, "")), int(root.get(total, ""))))
    modules: dict[str, tuple[int, int]] = {}
    for each in root.iter("class"):
        lines = [line.get("hits", "0") != "0" for line in each.iterfind("lines/line")]
        covered_before, all_before = modules.get(each.get("filename", ""), (0, 0))
        modules[each.get("filename", "")] = (covered_before + sum(lines), all_before + len(lines))
    return Coverage(statistics, file, report, [(name, *counts) for name, counts in modules.items()])
