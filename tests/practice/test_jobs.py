"""Jobs: real programs with durable status, timeline and log, that can be cancelled and survive nothing unseen."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from hol_wizard.practice.kernel import confinement, job_log, programs
from hol_wizard.practice.kernel.clock import Clock
from hol_wizard.practice.kernel.jobs import CanceledError, Jobs, Kind, TooLongError, Work
from hol_wizard.practice.kernel.programs import AT_ONCE, Grace, Program
from hol_wizard.practice.kernel.store import Store
from hol_wizard.practice.kernel.timelines import Result, State
from hol_wizard.practice.kernel.world import World
from tests.processes import runs

posix = pytest.mark.skipif(sys.platform == "win32", reason="process groups and signals")


def python(work: Work, code: str, *arguments: str, **environment: str) -> Program:
    words = [sys.executable, "-I", "-c", textwrap.dedent(code), *arguments]
    return Program(words, work.folder, programs.environment(work.folder, **environment))


@dataclass
class Bench:
    world: World
    jobs: Jobs

    def submit(self, kind: str, owner: str = "test", **data: Any) -> str:
        with self.world.store.transaction():
            return str(self.jobs.submit(kind, owner, data)["id"])

    def cancel(self, job: str) -> bool:
        with self.world.store.transaction():
            return self.jobs.cancel(job)

    def job(self, job: str) -> dict[str, Any]:
        found = self.jobs.find(job)
        assert found is not None
        return found

    async def close(self) -> None:
        running = [each.task for each in self.jobs._running.values() if each.task is not None]
        self.world.end()
        await asyncio.gather(*running, return_exceptions=True)
        self.world.store.close()

    def records(self, timeline: str, since: int = 0) -> list[dict[str, Any]]:
        return self.jobs.timelines.records(timeline, since)

    def log(self, timeline: str, record: str, first: int = 1, count: int | None = None) -> list[str]:
        return self.jobs.timelines.log(timeline, record, first, count)

    async def until(self, job: str, *states: str, seconds: float = 30) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            while self.job(job)["state"] not in states:
                await asyncio.sleep(0.01)
        return self.job(job)

    async def done(self, job: str, seconds: float = 30) -> dict[str, Any]:
        return await self.until(job, State.COMPLETED, seconds=seconds)

    async def run(self, work: Callable[[Work], Awaitable[Result | None]], **kind: Any) -> str:
        """Run a job of a kind of its own to its end."""
        name = f"kind {len(self.jobs._kinds)}"
        self.jobs.register(Kind(name, work, **kind))
        job = self.submit(name)
        await self.done(job)
        return job


def opened(folder: Path, speed: float = 1.0) -> Bench:
    world = World(Store(folder / "cloud.sqlite"), Clock(speed))
    return Bench(world, world.part(Jobs))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = opened(tmp_path)
    bench.world.start()
    yield bench
    await bench.close()


async def test_a_job_has_a_timeline_and_logs_and_an_end(bench: Bench) -> None:
    async def work(work: Work) -> Result:
        stage = work.add_record("Build", kind="Stage", identity="build")
        later = work.add_record("Never", parent=stage)
        async with work.step("Say", parent=stage) as step:
            step.log.append("##[section]Starting: Say")
            code = await work.program(python(work, "print('one'); print('zwei ü'); raise SystemExit(3)"), step)
            step.change(issues=[{"message": f"exit code {code}"}])
            step.result = Result.SUCCEEDED_WITH_ISSUES
        work.skip(later)
        work.change_record(stage, state=State.COMPLETED, result=Result.SUCCEEDED_WITH_ISSUES)
        work.keep(code=code)
        return Result.SUCCEEDED_WITH_ISSUES

    ended: list[dict[str, Any]] = []
    job = await bench.run(work, ended=ended.append)
    found = bench.job(job)
    assert (found["state"], found["result"], found["data"]) == ("completed", "succeededWithIssues", {"code": 3})
    assert found["created"] <= found["started"] <= found["finished"]
    assert [each["id"] for each in ended] == [job]
    stage, never, say = bench.records(job)
    assert [(each["name"], each["parent"], each["order"]) for each in (stage, never, say)] == [
        ("Build", "", 1),
        ("Never", "build", 1),
        ("Say", "build", 2),
    ]
    assert (never["result"], never["log"]) == ("skipped", None)
    assert say["started"] <= say["finished"]
    assert say["details"] == {"issues": [{"message": "exit code 3"}]}
    assert say["log"] == {"lines": 3, "bytes": 37, "cut": False}
    assert bench.log(job, say["id"]) == ["##[section]Starting: Say", "one", "zwei ü"]
    assert bench.log(job, say["id"], 2, 1) == ["one"]
    assert bench.log(job, say["id"], 4) == []
    newest = max(each["change"] for each in (stage, never, say))
    assert bench.jobs.timelines.newest(job) == newest
    assert [each["name"] for each in bench.records(job, since=newest - 1)] == ["Build"]
    assert not list(bench.jobs.work_folder.glob("*")), "the files of a job that has ended are gone"


async def test_what_a_job_raises_makes_it_fail(bench: Bench) -> None:
    async def work(work: Work) -> None:
        async with work.step("Break"):
            raise RuntimeError("no good")

    job = await bench.run(work)
    assert (bench.job(job)["result"], bench.job(job)["cause"]) == ("failed", "RuntimeError: no good")
    assert [each["result"] for each in bench.records(job)] == ["failed"]


async def test_a_service_that_fails_at_a_jobs_end_does_not_keep_it_running(bench: Bench) -> None:
    async def work(work: Work) -> None:
        work.keep(done=True)

    def ended(job: dict[str, Any]) -> None:
        raise RuntimeError("a defect")

    job = await bench.run(work, ended=ended)
    assert (bench.job(job)["result"], bench.job(job)["data"]) == ("succeeded", {"done": True})


async def test_a_job_whose_request_fails_never_was(bench: Bench) -> None:
    begun: list[str] = []

    async def work(work: Work) -> None:
        begun.append(work.id)

    bench.jobs.register(Kind("k", work))

    def request() -> None:
        with bench.world.store.transaction():
            bench.jobs.submit("k", "test", {})
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        request()
    await asyncio.sleep(0.05)
    assert begun == []
    assert bench.jobs.of("test") == []


async def test_logs_are_bounded_and_bytes_that_are_no_text_are_replaced(bench: Bench) -> None:
    async def work(work: Work) -> None:
        work.log_limit = 1 << 20
        async with work.step("Odd") as step:
            code = r"import os; os.write(1, b'\xff\xfe caf\xc3\xa9\r\nno end'); os.write(2, b' of line')"
            await work.program(python(work, code), step)
        async with work.step("Flood") as step:
            flood = "import sys\nfor n in range(300_000): sys.stdout.write(f'{n:060}\\n')\nraise SystemExit(7)"
            work.keep(code=await work.program(python(work, flood), step))
        async with work.step("No end") as step:
            await work.program(python(work, "print('x' * 5_000_000, end='')"), step)

    before = psutil.Process().memory_info().rss
    job = await bench.run(work)
    odd, flood, endless = bench.records(job)
    assert bench.log(job, odd["id"]) == ["\ufffd\ufffd café", "no end of line"]
    assert bench.job(job)["data"] == {"code": 7}, "the program is not stopped by its log's limit"
    assert flood["log"]["cut"]
    assert (1 << 20) - 100 < flood["log"]["bytes"] < (1 << 20) + 200
    lines = bench.log(job, flood["id"], flood["log"]["lines"] - 1)
    assert int(lines[0]) == flood["log"]["lines"] - 2
    assert "left out" in lines[1]
    assert endless["log"]["cut"]
    assert psutil.Process().memory_info().rss - before < 60 << 20


async def test_each_line_goes_through_the_jobs_own_hands_first(bench: Bench) -> None:
    """There a pipeline's agent masks secrets and takes commands out."""

    def line(text: str) -> str | None:
        return None if text.startswith("##vso") else text.replace("hush", "***")

    async def work(work: Work) -> None:
        async with work.step("Say") as step:
            await work.program(python(work, "print('a hush'); print('##vso[x]'); print('b')"), step, line=line)

    job = await bench.run(work)
    assert bench.log(job, bench.records(job)[0]["id"]) == ["a ***", "b"]


TREE = """
import os, subprocess, sys, time
code = "import os, time; os.setsid(); open('pid-%d' % os.getpid(), 'w').close(); time.sleep(100)"
subprocess.Popen([sys.executable, '-c', code])
subprocess.Popen(['sh', '-c', sys.executable + ' -c "$0" & exec sleep 0', code]).wait()
open('pid-%d' % os.getpid(), 'w').close()
print('up', flush=True)
time.sleep(100)
"""
"""A program with a child in a session of its own, and a grandchild that has lost its parent."""


def pids(folder: Path) -> set[int]:
    return {int(each.name.removeprefix("pid-")) for each in folder.glob("pid-*")}


def alive(numbers: set[int]) -> set[int]:
    return {each for each in numbers if runs(each)}


async def gone(numbers: set[int]) -> None:
    async with asyncio.timeout(10):
        while alive(numbers):
            await asyncio.sleep(0.02)


@posix
@pytest.mark.parametrize("how", ["cancel", "time", "end", "remove", "reset"])
async def test_nothing_of_a_jobs_programs_is_left(bench: Bench, how: str) -> None:
    async def work(work: Work) -> None:
        async with work.step("Tree") as step:
            code = TREE if how != "end" else TREE.replace("print('up', flush=True)\ntime.sleep(100)", "time.sleep(1)")
            await work.program(python(work, code), step)

    bench.jobs.register(Kind("tree", work, grace=AT_ONCE, seconds=2 if how == "time" else None))
    job = bench.submit("tree")
    folder = bench.jobs.work_folder / job
    async with asyncio.timeout(20):
        while len(found := pids(folder)) < 3:
            await asyncio.sleep(0.01)
    assert alive(found) == found
    if how == "cancel":
        assert bench.cancel(job)
        assert not bench.cancel(job), "once is enough"
    elif how == "remove":
        with bench.world.store.transaction():
            bench.jobs.remove(job)
    elif how == "reset":
        bench.world.reset()
    if how in {"remove", "reset"}:
        await gone(found)
        assert bench.jobs.find(job) is None
        return
    done = await bench.done(job)
    assert alive(found) == set(), "when the job has ended, everything has"
    expected = {"cancel": "canceled", "time": "timedOut", "end": "succeeded"}[how]
    assert (done["result"], bench.records(job)[0]["result"]) == (
        expected,
        "succeeded" if how == "end" else "canceled",
    )


@posix
async def test_a_program_may_end_softly_and_work_goes_on_after_a_cancel(bench: Bench) -> None:
    code = """
    import os, signal, time
    def stop(*_):
        os.write(1, b'tidied up\\n')
        os._exit(5)
    signal.signal(signal.SIGINT, stop)
    print('up', flush=True)
    time.sleep(100)
    """

    async def work(work: Work) -> None:
        try:
            async with work.step("Long") as step:
                await work.program(python(work, code), step)
        finally:
            async with work.step("Always") as step:
                work.keep(code=await work.program(python(work, "print('even now')"), step, even_canceled=True))

    bench.jobs.register(Kind("k", work))
    job = bench.submit("k")
    async with asyncio.timeout(20):
        while not (records := bench.records(job)) or bench.log(job, records[0]["id"]) != ["up"]:
            await asyncio.sleep(0.01)
    began = time.monotonic()
    assert bench.cancel(job)
    done = await bench.done(job)
    assert time.monotonic() - began < 5
    assert (done["result"], done["data"]) == ("canceled", {"code": 0})
    long, always = bench.records(job)
    assert (long["result"], always["result"]) == ("canceled", "succeeded")
    assert bench.log(job, long["id"]) == ["up", "tidied up"]
    assert bench.log(job, always["id"]) == ["even now"]


@posix
async def test_who_does_not_listen_is_terminated_and_then_killed(bench: Bench) -> None:
    code = "import os, signal, time\nfor n in (2, 15): signal.signal(n, lambda n, f: os.write(1, b'%d\\n' % n))\n"
    code += "print('up', flush=True)\nwhile True: time.sleep(0.05)"

    async def work(work: Work) -> None:
        async with work.step("Deaf") as step:
            await work.program(python(work, code), step)

    bench.jobs.register(Kind("k", work, grace=Grace(0.4, 0.4)))
    job = bench.submit("k")
    async with asyncio.timeout(20):
        while not (records := bench.records(job)) or bench.log(job, records[0]["id"]) != ["up"]:
            await asyncio.sleep(0.01)
    bench.cancel(job)
    assert (await bench.done(job, 5))["result"] == "canceled"
    assert bench.log(job, records[0]["id"]) == ["up", "2", "15"]


@posix
async def test_a_program_may_have_less_time_than_its_job(bench: Bench) -> None:
    async def work(work: Work) -> None:
        async with work.step("Short") as step:
            with pytest.raises(TooLongError, match=r"longer than 0\.5 seconds"):
                await work.program(
                    python(work, "import time; print('up', flush=True); time.sleep(100)"), step, seconds=0.5
                )
            step.result = Result.FAILED
        async with work.step("Next") as step:
            await work.program(python(work, "print('goes on')"), step, seconds=60)

    job = await bench.run(work, grace=AT_ONCE)
    assert bench.job(job)["result"] == "succeeded"
    short, after = bench.records(job)
    assert (short["result"], after["result"]) == ("failed", "succeeded")
    assert bench.log(job, after["id"]) == ["goes on"]


async def test_several_jobs_and_what_no_job_does_share_a_timeline(bench: Bench) -> None:
    """As a pipeline's run has it: stages are there from the beginning, an approval is nobody's work."""
    timelines = bench.jobs.timelines

    async def work(work: Work) -> None:
        stage = work.data["stage"]
        work.change_record(stage, state=State.RUNNING)
        async with work.step("Say", parent=stage) as step:
            step.log.append(stage)
        work.change_record(stage, state=State.COMPLETED, result=Result.SUCCEEDED)

    bench.jobs.register(Kind("stage", work))
    with bench.world.store.transaction():
        for stage in ("qa", "production"):
            timelines.add("run 1", stage, kind="Stage", identity=stage)
        bench.jobs.submit("stage", "runs/1", {"stage": "qa"}, timeline="run 1", identity="first")
    await bench.done("first")
    seen = timelines.newest("run 1")
    with bench.world.store.transaction():
        timelines.add("run 1", "Checkpoint.Approval", kind="Checkpoint", parent="production", identity="approval")
        timelines.change("run 1", "approval", state=State.RUNNING, details={"approvers": ["one"]})
    assert [each["id"] for each in timelines.records("run 1", since=seen)] == ["approval"]
    assert [(each["name"], each["state"]) for each in timelines.records("run 1")] == [
        ("qa", "completed"),
        ("production", "pending"),
        ("Say", "completed"),
        ("Checkpoint.Approval", "running"),
    ]
    with bench.world.store.transaction():
        bench.jobs.submit("stage", "runs/1", {"stage": "production"}, timeline="run 1", identity="second")
        bench.jobs.remove("first")
    await bench.done("second")
    assert len(timelines.records("run 1")) == 5, "a timeline that is shared outlives each of its jobs"
    with bench.world.store.transaction():
        timelines.remove("run 1")
    assert timelines.records("run 1") == []
    assert timelines.newest("run 1") == 0


async def test_a_job_that_does_not_end_after_a_cancel_is_ended(bench: Bench) -> None:
    async def work(work: Work) -> None:
        await work.canceled.wait()
        await asyncio.sleep(100)

    bench.jobs.register(Kind("k", work, cancel_seconds=0.1))
    job = bench.submit("k")
    await bench.until(job, State.RUNNING)
    bench.cancel(job)
    assert (await bench.done(job, 5))["result"] == "canceled"


async def test_a_canceled_job_starts_no_program_unless_it_says_so(bench: Bench) -> None:
    async def work(work: Work) -> None:
        with pytest.raises(CanceledError):
            await work.sleep(60)
        async with work.step("Late") as step:
            await work.program(python(work, "print('no')"), step)

    bench.jobs.register(Kind("k", work))
    job = bench.submit("k")
    await bench.until(job, State.RUNNING)
    bench.cancel(job)
    await bench.done(job, 5)
    assert bench.log(job, bench.records(job)[0]["id"]) == []


@pytest.mark.slow
async def test_fifty_jobs_wait_their_turn(bench: Bench) -> None:
    order: list[int] = []
    most = 0

    async def work(work: Work) -> None:
        nonlocal most
        most = max(most, len(bench.jobs._running))
        order.append(work.data["n"])
        async with work.step("Say") as step:
            await work.program(python(work, "import sys; print(sys.argv[1])", str(work.data["n"])), step)

    bench.jobs.register(Kind("k", work, at_once=4))
    submitted = [bench.submit("k", n=n) for n in range(50)]
    assert {bench.job(each)["state"] for each in submitted} == {"queued"}
    assert bench.cancel(submitted[40])
    assert bench.job(submitted[40])["result"] == "canceled"
    for each in submitted:
        await bench.done(each, 60)
    assert order == [n for n in range(50) if n != 40]
    assert most == 4
    said = [bench.log(each, bench.records(each)[0]["id"]) for each in submitted if bench.records(each)]
    assert said == [[str(n)] for n in order]
    assert [each["id"] for each in bench.jobs.of("test")] == submitted


async def test_a_clock_that_is_sped_up_ends_no_job_sooner(tmp_path: Path) -> None:
    bench = opened(tmp_path, speed=1_000_000)
    bench.world.start()

    async def sleeps(work: Work) -> None:
        await asyncio.sleep(0.3)
        assert not work.canceled.is_set()

    job = await bench.run(sleeps, seconds=20)
    assert bench.job(job)["result"] == "succeeded"
    assert 0.3 <= bench.job(job)["finished"] - bench.job(job)["started"] < 10
    await bench.close()


async def test_a_program_gets_no_variable_that_is_not_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "canary")
    monkeypatch.setenv("TZ", "UTC")

    async def work(work: Work) -> None:
        async with work.step("Say") as step:
            code = "import json, os; print(json.dumps(dict(os.environ)))"
            environment = programs.environment(work.folder, ["TZ"], OWN="1")
            await work.program(Program([sys.executable, "-I", "-c", code], work.folder, environment), step)

    job = await bench.run(work)
    found = json.loads(bench.log(job, bench.records(job)[0]["id"])[0])
    assert "canary" not in str(found)
    assert (found["TZ"], found["OWN"]) == ("UTC", "1")
    assert found["HOME"] == found["TMPDIR"]
    assert found["HOME"].endswith(job)


@pytest.mark.skipif(confinement.landlock() < 1, reason="this kernel has no Landlock")
async def test_a_confined_program_uses_its_own_folder_only(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("the owner's", encoding="utf-8")
    script = tmp_path / "script.py"
    script.write_text(
        "import os\nopen('own', 'w').write('x')\n"
        f"for path in ('own', {str(tmp_path / 'key')!r}):\n"
        "    try: print(open(path).read())\n    except OSError as error: print(type(error).__name__)\n"
    )

    async def work(work: Work) -> None:
        async with work.step("Look") as step:
            program = Program.of_python(script, work.folder, programs.environment(work.folder))
            await work.program(program, step)

    job = await bench.run(work)
    assert bench.log(job, bench.records(job)[0]["id"]) == ["x", "PermissionError"]


@posix
async def test_a_program_that_is_not_there_says_so(bench: Bench) -> None:
    async def work(work: Work) -> None:
        async with work.step("Say") as step:
            program = Program(["/nothing/here"], work.folder, programs.environment(work.folder))
            work.keep(code=await work.program(program, step))

    job = await bench.run(work)
    assert bench.job(job)["data"] == {"code": 127}
    assert bench.log(job, bench.records(job)[0]["id"]) == ["/nothing/here: No such file or directory"]


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.practice.test_jobs import TREE, opened, pids, python
from hol_wizard.practice.kernel.jobs import Kind

async def main():
    bench = opened(Path(sys.argv[1]))

    async def work(work):
        work.add_record("Later")
        async with work.step("Tree") as step:
            step.log.append("begun")
            await work.program(python(work, TREE), step)

    bench.jobs.register(Kind("tree", work))
    bench.world.start()
    jobs = [bench.submit("tree", n=n) for n in range(3)]
    while len(found := pids(bench.jobs.work_folder / jobs[0])) < 3:
        await asyncio.sleep(0.01)
    print(*found, *jobs, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@posix
async def test_a_killed_server_leaves_no_program_and_its_jobs_are_found_again(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    words = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    told = done.stdout.split()
    numbers, (ran, waited, canceled) = {int(each) for each in told[:3]}, told[3:]
    await gone(numbers)

    bench = opened(tmp_path)
    ended: list[str] = []
    begun: list[int] = []

    async def work(work: Work) -> None:
        begun.append(work.data["n"])

    bench.jobs.register(Kind("tree", work, ended=lambda job: ended.append(job["id"])))
    with bench.world.store.transaction():
        bench.jobs.cancel(canceled)
    bench.world.start()
    assert (bench.job(ran)["state"], bench.job(ran)["result"]) == ("completed", "interrupted")
    later, tree = bench.records(ran)
    assert (later["result"], tree["result"]) == ("skipped", "interrupted")
    assert bench.log(ran, tree["id"])[0] == "begun"
    assert not (bench.jobs.work_folder / ran).exists()
    assert (await bench.done(waited))["result"] == "succeeded", "what waited is started"
    assert begun == [1]
    assert ended == [canceled, ran, waited]
    await bench.close()


@posix
async def test_a_snapshot_of_a_running_job_is_one_that_was_interrupted(bench: Bench) -> None:
    async def work(work: Work) -> None:
        async with work.step("Wait") as step:
            step.log.append("in the snapshot")
            await work.program(python(work, "import time; time.sleep(100)"), step)

    bench.jobs.register(Kind("k", work))
    job = bench.submit("k")
    await bench.until(job, State.RUNNING)
    await asyncio.sleep(0.3)
    bench.world.take_snapshot("running")
    bench.world.reset()
    assert bench.jobs.find(job) is None
    assert not (bench.world.store.path.parent / "job-logs").exists()
    bench.world.restore_snapshot("running")
    assert bench.job(job)["result"] == "interrupted"
    assert bench.log(job, bench.records(job)[0]["id"]) == ["in the snapshot"]


def test_lines_come_whole_however_the_bytes_come() -> None:
    lines = job_log.Lines()
    data = "eins\r\nzwei ü\n\ndrei".encode()
    got = [line for n in range(len(data)) for line in lines.of(data[n : n + 1])]
    assert [*got, *lines.of(b"")] == ["eins", "zwei ü", "", "drei"]
    assert lines.of(b"") == []
