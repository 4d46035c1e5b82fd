"""Logging commands: how they are read, and what they do."""

from __future__ import annotations

import pytest

from hol_wizard.practice.pipelines.agent import commands
from hol_wizard.practice.pipelines.agent.commands import Command
from tests.practice.agent.bench import Bench, script


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("##vso[area.event k1=v1;]msg", Command("area", "event", {"k1": "v1"}, "msg")),
        ("##vso[area.event]", Command("area", "event")),
        (
            "##vso[area.event k1=%3B=%0D=%0A=%5D;]%3B-%0D-%0A-%5D-%AZP253B",
            Command("area", "event", {"k1": ";=\r=\n=]"}, ";-\r-\n-]-%3B"),
        ),
        ("##vso[area.event k1=;k2=;]", Command("area", "event")),
        (">>>   ##vso[Area.Event K1=v1;]msg", Command("area", "event", {"k1": "v1"}, "msg")),
        ("##vso[area]msg", None),
        ("##vso[area.event", None),
        ("##vso[a.b.c]", None),
        ("nothing", None),
    ],
)
def test_commands_are_read_as_the_agent_does(line: str, expected: Command | None) -> None:
    assert commands.parse(line) == expected


async def run(bench: Bench, *lines: str) -> list[str]:
    """Print lines in a step, and return its log between the start of the output and the end."""
    text = "\n".join(f"echo '{line}'" for line in lines)
    await bench.do(script(f"{text}\necho done", name="it", display_name="Say"))
    log = bench.log("Say")
    return log[next(at for at, line in enumerate(log) if line.startswith("##[command]")) + 1 : -1]


async def test_an_unknown_command_fails_the_step_and_the_program_goes_on(bench: Bench) -> None:
    lines = await run(bench, "##vso[task.nonsense]x")
    assert [line.partition(" ")[0] for line in lines] == ["##[error]Unable", "##[error]##vso[task.nonsense]", "done"]
    assert bench.steps()["Say"] == "failed"


async def test_an_unknown_area_and_a_broken_command_are_warnings(bench: Bench) -> None:
    lines = await run(bench, "##vso[nowhere.x]y", "##vso[broken")
    assert lines[0].startswith("##[warning]Cannot find command extension for ##vso[nowhere.command].")
    assert "not a legal command" in lines[1]
    assert lines[2:] == ["##vso[broken", "done"]
    assert bench.steps()["Say"] == "succeeded"


async def test_issues_are_kept_up_to_ten_of_each_kind_and_all_are_counted(bench: Bench) -> None:
    said = [f"##vso[task.logissue type=error;sourcepath=a/b.py;linenumber=3;code=E{n}]bad {n}" for n in range(12)]
    await run(bench, *said, "##vso[task.logissue type=warning]hm", "##vso[task.issue type=warning]hm")
    details = bench.record("Say")["details"]
    assert (details["errorCount"], details["warningCount"], len(details["issues"])) == (12, 2, 12)
    first = details["issues"][0]
    assert (first["type"], first["category"], first["message"]) == ("error", "Code", "bad 0")
    assert (first["data"]["sourcepath"], first["data"]["linenumber"], first["data"]["code"]) == ("a/b.py", "3", "E0")
    assert bench.steps()["Say"] == "succeeded"


async def test_a_bad_issue_type_is_an_error(bench: Bench) -> None:
    await run(bench, "##vso[task.logissue type=hint]x")
    assert bench.steps()["Say"] == "failed"


async def test_progress_number_tags_and_path(bench: Bench) -> None:
    await bench.do(
        script(
            "echo '##vso[task.setprogress value=40]Halfway'\necho '##vso[build.updatebuildnumber]1.2.3'\n"
            "echo '##vso[build.addbuildtag]good'\necho '##vso[task.prependpath]/somewhere/else'",
            display_name="Say",
        ),
        script("echo $(Build.BuildNumber) $PATH", display_name="Then"),
    )
    details = bench.record("Say")["details"]
    assert (details["percentComplete"], details["currentOperation"]) == (40, "Halfway")
    found = bench.run()
    assert (found["number"], found["tags"]) == ("1.2.3", ["good"])
    assert [line for line in bench.log("Then") if line.startswith("1.2.3 /somewhere/else:")]


@pytest.mark.parametrize(
    "command",
    [
        "##vso[build.addbuildtag]a:b",
        "##vso[build.updatebuildnumber]a/b",
        "##vso[task.setvariable]x",
        "##vso[task.setvariable variable=s;issecret=true]one%0Atwo",
        "##vso[task.uploadsummary]/nowhere.md",
        "##vso[artifact.associate type=container;artifactname=x]y",
        "##vso[artifact.upload artifactname=a:b]/tmp",
        "##vso[task.complete result=Perhaps]",
        "##vso[release.updatereleasename]x",
    ],
)
async def test_what_a_command_cannot_do_fails_its_step(bench: Bench, command: str) -> None:
    await run(bench, command)
    assert bench.steps()["Say"] == "failed"


async def test_a_read_only_variable_is_kept(bench: Bench) -> None:
    await bench.do(
        script("echo '##vso[task.setvariable variable=x;isreadonly=true]1'", display_name="Set"),
        script("echo '##vso[task.setvariable variable=x]2'", display_name="Again", continue_on_error=True),
        script("echo x=$(x)", display_name="Get"),
        script("echo '##vso[task.setvariable variable=Build.Reason]mine'", display_name="System"),
    )
    assert bench.steps()["Again"] == "succeededWithIssues"
    assert "x=1" in bench.log("Get")
    assert any("Overwriting readonly variable 'Build.Reason'" in line for line in bench.log("System"))


async def test_attachments_and_artifacts(bench: Bench) -> None:
    await bench.do(
        script(
            "echo '# Hi' > s.md\necho '##vso[task.uploadsummary]'$PWD/s.md\n"
            "echo '##vso[task.addattachment type=my;name=n]'$PWD/s.md\n"
            "echo '##vso[artifact.upload artifactname=drop]'$PWD\necho '##vso[task.uploadfile]'$PWD/s.md",
            display_name="Say",
        )
    )
    assert bench.host.attachments == [
        ("DistributedTask.Core.Summary", "s.md"),
        ("my", "n"),
        ("DistributedTask.Core.FileAttachment", "s.md"),
    ]
    assert (bench.host.published[1, "drop"].folder / "s.md").read_text() == "# Hi\n"
    assert bench.host.published[1, "drop"].kind == "Container"


async def test_a_program_that_has_ended_its_step_is_stopped(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hol_wizard.practice.pipelines.agent.context._AFTER_DONE", 0.01)
    text = "echo '##vso[task.complete result=SucceededWithIssues;done=true]Enough'; sleep 60; echo never"
    await bench.do(script(text, display_name="Say"))
    assert bench.steps()["Say"] == "succeededWithIssues"
    assert "never" not in bench.log("Say")
