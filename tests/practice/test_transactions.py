"""What a request changes is one transaction, and each collection is one part's."""

from __future__ import annotations

import asyncio
import base64
import gc
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.practice.kernel import operations as kernel_operations
from hol_wizard.practice.kernel.clock import Clock
from hol_wizard.practice.kernel.service import Refused, Request, Response, Service
from hol_wizard.practice.kernel.store import NoTransactionError, Store
from hol_wizard.practice.kernel.web import Web
from hol_wizard.practice.kernel.world import ForeignCollectionError, World
from hol_wizard.practice.process import server
from hol_wizard.practice.process.listening import Connections
from hol_wizard.practice.process.names import Names

BASE = "https://127.0.0.1:1"


class Counting(Service):
    """A service whose handlers each test gives."""

    name = "counting"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.documents = world.collection("counting", self)

    def error(self, status: int, code: str, message: str, **more: Any) -> Response:
        return Response(status, {"code": code})

    def not_found(self, request: Request, path_is_known: bool) -> Response:
        return Response(404)


@dataclass
class Bench:
    world: World
    service: Counting
    web: Web

    def serve(self, path: str, handler: Callable[[Request], Response | Awaitable[Response]]) -> None:
        self.service.router.add("POST", path, handler)

    async def ask(self, path: str) -> int:
        request = Request("POST", path, {}, {}, b"", BASE, target=path)
        return (await self.web.handle(request)).response.status

    def kept(self) -> dict[str, Any]:
        """Return what is committed, and check that it is what a restart finds."""
        here = dict(self.service.documents.items())
        again = Store(self.world.store.path)
        assert dict(again.collection("counting").items()) == here
        again.close()
        return here


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    world = World(Store(tmp_path / "cloud.sqlite"), Clock())
    service = Counting(world)
    world.start()
    yield Bench(world, service, Web(service))
    world.store.close()


@pytest.mark.parametrize("error", [RuntimeError("a defect"), ValueError("nonsense"), Refused(Response(409))])
@pytest.mark.parametrize("awaits", [False, True])
async def test_a_handler_that_fails_half_way_leaves_nothing(bench: Bench, error: Exception, awaits: bool) -> None:
    documents = bench.service.documents
    with bench.world.store.transaction():
        documents.put("old", {"value": 1})

    def fail(request: Request) -> Response:
        documents.put("new", {"value": 1})
        documents.put("old", {"value": 2})
        raise error

    async def fail_later(request: Request) -> Response:
        documents.put("new", {"value": 1})
        documents.delete("old")
        await asyncio.sleep(0)
        raise error

    bench.serve("/fail", fail_later if awaits else fail)
    assert await bench.ask("/fail") == {RuntimeError: 500, ValueError: 400, Refused: 409}[type(error)]
    assert bench.kept() == {"old": {"value": 1}}


async def test_two_requests_at_once_do_not_see_half_of_each_other(bench: Bench) -> None:
    documents = bench.service.documents
    wrote, looked = asyncio.Event(), asyncio.Event()
    seen: list[list[str]] = []

    async def write(request: Request) -> Response:
        documents.put("one", {})
        wrote.set()
        await looked.wait()
        documents.put("two", {})
        return Response(200)

    async def look(request: Request) -> Response:
        await wrote.wait()
        seen.append([key for key, _ in documents.items()])
        looked.set()
        await asyncio.sleep(0.02)  # the other request ends meanwhile
        seen.append([key for key, _ in documents.items()])
        assert documents.get("one") is None
        assert len(documents) == 0
        return Response(200)

    bench.serve("/write", write)
    bench.serve("/look", look)
    assert set(await asyncio.gather(bench.ask("/look"), bench.ask("/write"))) == {200}
    assert seen == [[], []], "as it was when the request began, to its end"
    assert list(bench.kept()) == ["one", "two"]


async def test_of_two_that_change_the_same_thing_the_second_is_to_try_again(bench: Bench) -> None:
    documents = bench.service.documents
    with bench.world.store.transaction():
        documents.put("counter", {"value": 0})
    both = asyncio.Barrier(2)

    async def count(request: Request) -> Response:
        counter = documents.get("counter")
        assert counter is not None
        await both.wait()
        documents.put("counter", {"value": counter["value"] + 1})
        documents.put(request.path, {})
        return Response(200)

    bench.serve("/{n}", count)
    assert sorted(await asyncio.gather(bench.ask("/a"), bench.ask("/b"))) == [200, 503]
    kept = bench.kept()
    assert kept["counter"] == {"value": 1}
    assert len(kept) == 2, "of the refused one nothing is kept"


async def test_two_that_leave_the_same_behind_do_not_conflict(bench: Bench) -> None:
    both = asyncio.Barrier(2)

    async def provide(request: Request) -> Response:
        if bench.service.documents.get("there from the beginning") is None:
            bench.service.documents.put("there from the beginning", {"value": [1, 2]})
        await both.wait()
        return Response(200)

    bench.serve("/provide", provide)
    assert set(await asyncio.gather(bench.ask("/provide"), bench.ask("/provide"))) == {200}


async def test_what_was_under_way_at_a_reset_leaves_nothing(bench: Bench) -> None:
    begun, reset = asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> Response:
        begun.set()
        await reset.wait()
        bench.service.documents.put("late", {})
        return Response(200)

    bench.serve("/slow", slow)
    asked = asyncio.create_task(bench.ask("/slow"))
    await begun.wait()
    bench.world.reset()
    reset.set()
    assert await asked == 503
    assert bench.kept() == {}


def test_a_document_changes_only_when_it_is_put(bench: Bench) -> None:
    documents = bench.service.documents
    with bench.world.store.transaction():
        documents.put("one", {"list": [{"a": 1}]})
    for read in (documents.get("one"), next(iter(documents)), documents.items()[0][1]):
        assert read is not None
        read["list"][0]["a"] = 2
    with bench.world.store.transaction():
        own = documents.get("one")
        assert own is not None
        own["list"].append(3)
        assert documents.get("one") is own, "one transaction has one copy"
    assert bench.kept() == {"one": {"list": [{"a": 1}]}}
    with pytest.raises(NoTransactionError):
        documents.put("two", {})


async def test_a_task_that_a_handler_starts_is_not_in_its_transaction(bench: Bench) -> None:
    errors: list[Exception] = []

    async def later() -> None:
        try:
            bench.service.documents.put("later", {})
        except NoTransactionError as error:
            errors.append(error)

    async def start(request: Request) -> Response:
        await asyncio.create_task(later())
        return Response(200)

    bench.serve("/start", start)
    assert await bench.ask("/start") == 200
    assert len(errors) == 1


def test_a_transaction_calls_what_was_to_be_called_at_its_end(bench: Bench) -> None:
    called: list[str] = []

    def run(fails: bool) -> None:
        with bench.world.store.transaction() as transaction:
            transaction.on_commit.append(lambda: called.append("committed"))
            transaction.on_rollback.append(lambda: called.append("rolled back"))
            if fails:
                raise RuntimeError

    run(fails=False)
    with pytest.raises(RuntimeError):
        run(fails=True)
    assert called == ["committed", "rolled back"]


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from hol_wizard.practice.kernel.store import Store

async def main():
    store = Store(Path(sys.argv[1]))
    things = store.collection("things")
    half = asyncio.Event()

    async def slow():
        with store.transaction():
            things.put("first", {})
            half.set()
            await asyncio.sleep(0.05)
            os.kill(os.getpid(), signal.SIGKILL)
            things.put("second", {})

    async def quick():
        await half.wait()
        with store.transaction():
            things.put("other", {})

    await asyncio.gather(slow(), quick())

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_kill_between_two_writes_leaves_neither(tmp_path: Path) -> None:
    path = tmp_path / "cloud.sqlite"
    environ = {**os.environ, "PYTHONPATH": str(Path(server.__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(path)], env=environ, check=False)
    assert done.returncode == -signal.SIGKILL
    store = Store(path)
    assert [key for key, _ in store.collection("things").items()] == ["other"]
    store.close()


def test_a_reset_that_was_killed_goes_on_at_the_next_start(tmp_path: Path) -> None:
    world = World(Store(tmp_path / "cloud.sqlite"), Clock())
    folder = world.folder("files")
    world.start()
    world.take_snapshot("empty")
    folder.mkdir()
    (folder / "left").write_text("bytes of a document that is gone", encoding="utf-8")
    with world.store.transaction():
        world.settings.put("unfinished", {"snapshot": ""})
    world.store.close()
    again = World(Store(tmp_path / "cloud.sqlite"), Clock())
    again.folder("files")
    again.start()
    assert not folder.exists()
    assert again.settings.get("unfinished") is None
    again.store.close()


async def test_a_port_that_a_failed_request_opened_is_closed(bench: Bench, tmp_path: Path) -> None:
    context = server.Certificates(tmp_path).context
    ports = server.Ports(
        bench.world, {"counting": bench.service}, None, context, Connections(), Names(bench.world), lambda: None
    )

    def fail(request: Request) -> Response:
        bench.world.open_port("counting", "thing")
        raise Refused(Response(409))

    def shut_and_fail(request: Request) -> Response:
        bench.world.close_port("counting", "other")
        raise Refused(Response(409))

    bench.serve("/fail", fail)
    bench.serve("/shut", shut_and_fail)
    with bench.world.store.transaction():
        address = bench.world.open_port("counting", "other")
    assert await bench.ask("/fail") == await bench.ask("/shut") == 409
    assert list(ports._open.items()) == [(("counting", "other"), address)]
    await ports.close()


# Parts


def test_a_collection_is_given_to_one_part_alone(bench: Bench) -> None:
    with pytest.raises(ForeignCollectionError, match="belongs to Counting"):
        bench.world.collection("counting", object())
    assert bench.world.part(Other) is bench.world.part(Other)
    with pytest.raises(ForeignCollectionError, match="belongs to Other"):
        Other(bench.world)


class Other:
    def __init__(self, world: World) -> None:
        self.documents = world.collection("other", self)


def test_no_part_reaches_into_the_store() -> None:
    """The world alone gives out collections."""
    places = Path(server.__file__).parents[1].rglob("*.py")
    found = [f"{each.parent.name}/{each.name}" for each in places if "store.collection(" in each.read_text("utf-8")]
    assert found == ["kernel/world.py"]


@pytest.mark.slow
async def test_a_thousand_requests_leave_no_more_behind_than_one(tmp_path: Path) -> None:
    """Seen: a request with a personal access token left a callback behind, each."""
    world = World(Store(tmp_path / "cloud.sqlite"), Clock())
    services = {each.name: each for each in (make(world) for make in server.SERVICES)}
    world.addresses.update(dict.fromkeys(services, BASE))
    world.start()
    web = Web(services["devops"])
    basic = base64.b64encode(b":" + b"x" * 84).decode()
    path = "/practice/_apis/projects"
    request = Request(
        "GET", path, {}, {"Authorization": f"Basic {basic}", "X-TFS-FedAuthRedirect": "Suppress"}, b"", BASE
    )

    async def left_by(requests: int) -> tuple[int, int]:
        for _ in range(requests):
            assert not web.trusts(request)
            assert (await web.handle(request)).response.status == 401
        gc.collect()
        lists = [value for value in vars(world).values() if isinstance(value, list | dict)]
        return sum(map(len, lists)), len(gc.get_objects())

    entries, objects = await left_by(1)
    more_entries, more_objects = await left_by(1000)
    assert more_entries == entries
    assert more_objects - objects < 100
    world.store.close()


async def test_an_operation_whose_end_has_a_defect_fails_alone(bench: Bench) -> None:
    world, documents = bench.world, bench.service.documents
    ended: list[str] = []

    def fail(world: World, operation: dict[str, Any]) -> None:
        documents.put("half", {})
        raise RecursionError

    world.operations.on_end("defect", fail)
    world.operations.on_end("good", lambda world, operation: ended.append(operation["target"]))
    world.clock.speed = 1000
    with world.store.transaction():
        bad = world.operations.begin("defect", "one", "deployment step", "/one")
        good = world.operations.begin("good", "two", "deployment step", "/two")
        later = world.operations.begin("good", "three", "Microsoft.Databricks/workspaces", "/three")
    bench.serve("/any", lambda request: Response(200))
    deadline = asyncio.get_running_loop().time() + 10
    while world.operations.running() and asyncio.get_running_loop().time() < deadline:
        assert await bench.ask("/any") == 200
        await asyncio.sleep(0.01)
    assert ended == ["two", "three"]
    assert bench.kept() == {}
    found = [world.operations.find(each["id"]) or {} for each in (bad, good, later)]
    assert [each["status"] for each in found] == ["Failed", "Succeeded", "Succeeded"]
    assert found[0]["error"]["code"] == "InternalServerError"


def test_a_request_reads_no_operation_that_has_ended(bench: Bench) -> None:
    operations, store = bench.world.operations, bench.world.store
    operations.on_end("good", lambda world, operation: None)
    bench.world.clock.speed = 1e9
    for number in range(50):
        with store.transaction():
            operations.begin("good", str(number), "deployment step", "/")
        operations.settle()
    assert len(operations.all()) == 50
    with store.transaction() as transaction:
        assert operations.running() == []
    assert not transaction.view("operations").own


def test_operations_that_have_ended_are_forgotten_some_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_operations, "_MOST", 20)
    operations, store = bench.world.operations, bench.world.store
    operations.on_end("good", lambda world, operation: None)
    with store.transaction():
        waiting = operations.begin("good", "waits", "Microsoft.Databricks/workspaces", "/")
    bench.world.clock.speed = 1e-6
    for _ in range(60):
        with store.transaction():
            made = operations.begin("good", "made", "deployment step", "/")
            operations.keep({**made, "due": 0.0})
        operations.settle()
    assert len(operations.all()) <= 20
    assert [each["id"] for each in operations.running()] == [waiting["id"]]
