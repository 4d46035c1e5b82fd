"""Section initial-data: the file on this machine, the right to write, the container, and the file in each lake."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from hol_wizard.engine import ownership
from hol_wizard.engine.events import Event, Progressed, Said
from hol_wizard.engine.ledger import Fact, Ledger
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import SOLVES
from hol_wizard.engine.reporter import Reporter
from hol_wizard.engine.results import Result, Status
from hol_wizard.errors import CancelledByUserError, ConflictError, ServiceError, UnreachableError, UsageError
from hol_wizard.lab.profile import Profile
from hol_wizard.practice.arm.roles import OWNER
from hol_wizard.practice.seed import CI_PRINCIPAL
from hol_wizard.resources import data_file
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.local_data_file import LocalDataFile
from hol_wizard.services import dataset
from hol_wizard.services.context import Services
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.steps import initial_data
from tests.practice.conftest import STORAGE, Arm, session, user_token
from tests.practice.data_planes import BLOB_CONTRIBUTOR, give, oid
from tests.practice_cloud import PracticeCloud
from tests.steps.attendee import LAKE, Attendee
from tests.unit.services.file_server import Source, serving_file
from tests.unit.services.places import CLOUD
from tests.unit.services.test_dataset import REAL, ROW, needs_real, own

GET = "initial-data/get-the-data-file"
NOBODY = replace(CLOUD, data_sources=("https://127.0.0.1:9/adult.zip",))
"""A cloud that wants the lab's file, on a machine without internet."""
PRACTICE = replace(NOBODY, stand_in_data=True)
STAND_IN = dataset.stand_in()


class Machine:
    """One person's machine: each thing done with a context of its own, as after a restart."""

    def __init__(self, root: Path, endpoints: Endpoints = NOBODY) -> None:
        self.root = root
        self.endpoints = endpoints
        self.events: list[Event] = []
        self.cancelled = threading.Event()
        self.ledger = Ledger(root / "ledger.jsonl")

    def context(self, choice: str = "", **inputs: str) -> StepContext:
        profile = Profile("default", "test", self.root / "profile.toml", flags={"own_data_file": choice})
        given = {"own_data_file": profile.settings.value("own_data_file"), **inputs}
        return StepContext(
            target=GET,
            environment=None,
            profile=profile,
            services=Services(self.endpoints, cache=self.root / "cache"),
            reads=ReadCache(),
            ledger=self.ledger,
            reporter=Reporter(GET, self.events.append, self.cancelled),
            inputs={name: value for name, value in given.items() if value},
        )

    def solve(self, choice: str = "", **inputs: str) -> None:
        initial_data.get_data_file(self.context(choice, **inputs))

    def look(self, choice: str = "") -> Result:
        return initial_data.data_file_fits(self.context(choice))

    @property
    def kept(self) -> bytes | None:
        path = self.root / "cache" / dataset.NAME
        return path.read_bytes() if path.exists() else None

    @property
    def said(self) -> str:
        return "\n".join(event.text for event in self.events if isinstance(event, Said))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Source]:
    with serving_file(tmp_path) as running:
        yield running


def actual(result: Result, what: str) -> str:
    return next(each.actual for each in result.expectations if each.what == what)


# The file on this machine


def test_in_practice_a_stand_in_is_generated_and_says_so_everywhere(tmp_path: Path) -> None:
    machine = Machine(tmp_path, PRACTICE)
    assert machine.look().status is Status.FAILED
    (change,) = ownership.plan(LocalDataFile(machine.context()))
    assert (change.verb, "without real people" in change.note) == ("create", True)
    machine.solve()
    result = machine.look()
    assert result.passed
    assert "stand-in" in result.summary
    assert "without real people" in actual(result, "SHA-256")
    assert "no real people" in machine.said
    assert machine.kept == STAND_IN
    machine.solve()
    assert [entry.fact for entry in machine.ledger.entries()] == [Fact.INTENT, Fact.CREATED]


def test_without_the_internet_a_real_cloud_gets_no_stand_in_unless_it_is_asked_for(machine: Machine) -> None:
    with pytest.raises(UnreachableError, match="cannot be downloaded") as caught:
        machine.solve()
    assert "--own-data-file FILE" in caught.value.hint
    assert "--own-data-file stand-in" in caught.value.hint
    assert machine.kept is None
    machine.solve("stand-in")
    assert machine.kept == STAND_IN
    assert machine.look().passed
    assert machine.context().profile.choices.own_data_file == "stand-in"
    machine.context().profile.change(own_data_file="")
    assert machine.look().status is Status.FAILED


@needs_real
def test_the_lab_s_file_is_built_of_a_download_that_broke_off(
    tmp_path: Path, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hol_wizard.services.downloads.PAUSES", (0.01, 0.01))
    source.content = REAL.read_bytes()[len(dataset.HEADER) :] + b"\n\n"
    source.breaks = [1_000_000, 1_500_000]
    machine = Machine(tmp_path, replace(CLOUD, data_sources=(source.url,), ca_bundle=source.bundle))
    machine.solve()
    assert machine.kept == REAL.read_bytes()
    result = machine.look()
    assert result.passed
    assert "the lab's file" in result.summary
    assert actual(result, "Rows") == "32,561"
    assert actual(result, "Size") == "3,974,473 bytes"
    assert dataset.LICENCE in machine.said
    told = [event.text for event in machine.events if isinstance(event, Progressed)]
    assert told[0].endswith("0.0 of 3.8 MiB")
    assert len(source.asked) == 3
    machine.solve()
    assert len(source.asked) == 3


def test_a_download_of_something_else_is_not_used(tmp_path: Path, source: Source) -> None:
    source.content = b"<html>Sorry</html>"
    machine = Machine(tmp_path, replace(CLOUD, data_sources=(source.url,), ca_bundle=source.bundle))
    with pytest.raises(ServiceError, match="not the lab's data") as caught:
        machine.solve()
    assert "5b002646" in caught.value.detail
    assert machine.kept is None
    assert machine.ledger.standing() == ()


def test_a_download_can_be_stopped(tmp_path: Path, source: Source) -> None:
    source.content = b"x" * 1_000_000
    machine = Machine(tmp_path, replace(CLOUD, data_sources=(source.url,), ca_bundle=source.bundle))
    machine.cancelled.set()
    with pytest.raises(CancelledByUserError):
        machine.solve()


def test_a_file_of_one_s_own_is_taken_checked_and_told_from_the_lab_s(machine: Machine) -> None:
    mine = machine.root / "mine.csv"
    mine.write_bytes(own(ROW, ROW))
    assert machine.look(str(mine)).status is Status.FAILED
    machine.solve(str(mine))
    result = machine.look()
    assert result.passed
    digest = hashlib.sha256(own(ROW, ROW)).hexdigest()
    assert "not the lab's file" in result.summary
    assert digest in result.summary
    mine.write_bytes(own(ROW))
    changed = machine.look()
    assert changed.status is Status.FAILED
    assert "differs from" in actual(changed, "Your own file")
    machine.solve()
    assert machine.look().passed
    mine.unlink()
    assert machine.look().passed
    assert machine.kept == own(ROW)


def test_a_file_that_is_named_now_must_be_there_although_an_earlier_copy_is_good(machine: Machine) -> None:
    mine = machine.root / "mine.csv"
    mine.write_bytes(own(ROW))
    machine.solve(str(mine))
    typo = str(machine.root / "typo.csv")
    looked = machine.look(typo)
    assert looked.status is Status.FAILED
    assert actual(looked, "Your own file") == "not there"
    with pytest.raises(ConflictError) as refused:
        machine.solve(typo)
    assert "typo.csv cannot be read" in refused.value.hint
    assert machine.context().profile.settings.value("own_data_file") == str(mine)
    mine.unlink()
    assert machine.look().passed


def test_a_byte_order_mark_is_left_away(machine: Machine) -> None:
    mine = machine.root / "mine.csv"
    mine.write_bytes(b"\xef\xbb\xbf" + own(ROW))
    machine.solve(str(mine))
    assert machine.look().passed
    assert machine.kept == own(ROW)


def test_a_file_with_other_columns_is_refused_with_their_names(machine: Machine) -> None:
    mine = machine.root / "mine.csv"
    mine.write_bytes(own(ROW).replace(b" hours-per-week", b" hours", 1))
    with pytest.raises(ConflictError, match="“ hours-per-week”; it has “ hours”"):
        machine.solve(str(mine))
    assert machine.kept is None
    (change,) = ownership.plan(LocalDataFile(machine.context(str(mine))))
    assert change.verb == "conflict"


def test_a_file_that_is_not_there_is_named(machine: Machine) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.csv cannot be read"):
        machine.solve(str(machine.root / "nowhere.csv"))


def test_a_copy_that_was_spoilt_is_seen_and_made_anew(tmp_path: Path) -> None:
    machine = Machine(tmp_path, PRACTICE)
    machine.solve()
    (tmp_path / "cache" / dataset.NAME).write_bytes(STAND_IN[: len(STAND_IN) // 2].replace(b" sex", b" gender", 1))
    result = machine.look()
    assert result.status is Status.FAILED
    assert "gender" in actual(result, "Columns")
    machine.solve()
    assert machine.look().passed


def test_the_copy_is_forgotten_with_its_rests_and_one_s_own_file_stays(machine: Machine) -> None:
    mine = machine.root / "mine.csv"
    mine.write_bytes(own(ROW))
    assert ownership.plan_undo(LocalDataFile(machine.context())) == ()
    machine.solve(str(mine))
    (machine.root / "cache" / "abc.part").write_bytes(b"rest")
    (change,) = ownership.plan_undo(LocalDataFile(machine.context()))
    assert change.verb == "delete"
    initial_data.forget_data_file(machine.context())
    assert not (machine.root / "cache").exists()
    assert ownership.plan_undo(LocalDataFile(machine.context())) == ()
    assert machine.ledger.standing() == ()
    assert mine.exists()
    initial_data.forget_data_file(machine.context())
    assert "was not created by this wizard" in machine.said


# The lakes, on the practice cloud

MAY_WRITE = "initial-data/let-yourself-write-to-the-lake"
CONTAINER = "initial-data/create-the-container"
UPLOAD = "initial-data/upload-the-data-file"
ALL = (GET, *(f"{step}@{name}" for step in (MAY_WRITE, CONTAINER, UPLOAD) for name in ("dev", "pipeline")))


def give_owner(by_hand: Arm) -> None:
    """Let the wizard's account give roles."""
    body = {
        "properties": {
            "roleDefinitionId": f"{by_hand.base}/providers/Microsoft.Authorization/roleDefinitions/{OWNER}",
            "principalId": CI_PRINCIPAL.id,
            "principalType": "ServicePrincipal",
        }
    }
    address = f"/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    assert by_hand.ask("PUT", address, body, version="2022-04-01").status_code == 201


@pytest.fixture
def organizer(attendee: Attendee, by_hand: Arm) -> Attendee:
    """Somebody set up who may give roles."""
    give_owner(by_hand)
    return attendee


def lake_of(attendee: Attendee, environment: str = "dev") -> str:
    names = attendee.names(environment)
    return f"/resourceGroups/{names.resource_group}/providers/Microsoft.Storage/storageAccounts/{names.storage_account}"


class Hand:
    """What somebody with a data role does in the portal's Storage browser."""

    def __init__(self, attendee: Attendee, by_hand: Arm, environment: str = "dev") -> None:
        path = lake_of(attendee, environment)
        token = user_token(by_hand.cloud, scope="https://storage.azure.com/.default")
        give(by_hand, path, BLOB_CONTRIBUTOR, oid(token))
        account = by_hand.ask("GET", path, version=STORAGE).json()
        self.address = account["properties"]["primaryEndpoints"]["dfs"] + "datalake"
        self.http = session(by_hand.cloud)
        self.http.headers.update({"Authorization": f"Bearer {token}", "x-ms-version": "2023-11-03"})
        until = time.monotonic() + 20
        while self.ask("HEAD", "", resource="filesystem").status_code == 403:
            assert time.monotonic() < until
            time.sleep(0.1)

    def ask(self, method: str, path: str, content: bytes = b"", **query: str) -> requests.Response:
        return self.http.request(method, f"{self.address}{path}", params=query, data=content or None, timeout=10)

    def upload(self, content: bytes, path: str = f"/{dataset.NAME}") -> None:
        assert self.ask("PUT", path, resource="file").status_code == 201
        assert self.ask("PATCH", path, content, action="append", position="0").status_code == 202
        assert self.ask("PATCH", path, action="flush", position=str(len(content))).status_code == 200


@pytest.mark.slow
def test_the_whole_section_is_solved_for_both_lakes_and_removed_again(organizer: Attendee, by_hand: Arm) -> None:
    planned = organizer.plan("initial-data")
    assert {change.verb for key in ALL for change in planned[key]} == {"create"}
    solved = organizer.solve("initial-data")
    assert solved.all_passed(), [(key, each) for key, each in solved.results.items() if not each.passed]
    assert set(ALL) <= solved.results.keys()
    seen = organizer.check("initial-data")
    assert seen.all_passed(), seen.results
    for name in ("dev", "pipeline"):
        result = seen.results[f"{UPLOAD}@{name}"]
        assert actual(result, "Size") == f"{len(STAND_IN):,} bytes"
        assert "generated stand-in" in result.summary
        assert actual(result, "Source, as noted in its metadata") == "generated stand-in"
    assert organizer.plan("initial-data") == {}
    hand = Hand(organizer, by_hand)
    there = hand.ask("HEAD", f"/{dataset.NAME}").headers
    marks = dict(each.split("=", 1) for each in there["x-ms-properties"].split(","))
    assert base64.b64decode(marks["hol_wizard_source"]).decode() == "generated stand-in"
    assert base64.b64decode(marks["hol_wizard_sha256"]).decode() == dataset.STAND_IN_SHA256
    assert hand.ask("GET", f"/{dataset.NAME}").content == STAND_IN
    gone = organizer.teardown("initial-data")
    assert gone.all_passed(), gone.results
    assert organizer.plan_teardown("initial-data") == {}
    after = organizer.check("initial-data").statuses
    assert after[GET] is Status.FAILED
    assert {after[f"{CONTAINER}@{name}"] for name in ("dev", "pipeline")} == {Status.FAILED}
    assert {after[f"{MAY_WRITE}@{name}"] for name in ("dev", "pipeline")} == {Status.FAILED}
    assert hand.ask("HEAD", "", resource="filesystem").status_code == 404


@pytest.mark.slow
def test_an_upload_that_was_stopped_goes_on_with_the_next_part(
    organizer: Attendee, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert organizer.solve(f"{CONTAINER}@dev", f"{MAY_WRITE}@dev", GET).all_passed()
    monkeypatch.setattr(data_file, "TOLD_EVERY", 0.0)
    cancelled = threading.Event()

    def stop(event: Event) -> None:
        if isinstance(event, Progressed) and ": 2.0 of" in event.text:
            cancelled.set()

    wizard = organizer.wizard()
    (target,) = wizard.targets([f"{UPLOAD}@dev"])
    context = wizard.connection.context(
        target, wizard.connection.reach(), ReadCache(), Reporter(target.key, stop, cancelled)
    )
    with pytest.raises(CancelledByUserError):
        SOLVES["lake_data_file"].run(context)
    broken = organizer.look(f"{UPLOAD}@dev")
    assert broken.status is Status.FAILED
    assert "stopped at" in broken.summary
    (change,) = organizer.plan(f"{UPLOAD}@dev")[f"{UPLOAD}@dev"]
    assert "goes on at" in change.note
    since = practice_cloud.log_size()
    solved = organizer.solve(f"{UPLOAD}@dev")
    assert solved.all_passed()
    assert "continuing from there" in solved.said
    asked = [each for each in practice_cloud.exchanges(since) if dataset.NAME in each["url"]]
    assert not [each for each in asked if each["method"] == "PUT"]
    assert not [each for each in asked if "action=append" in each["url"] and "position=0" in each["url"]]


@pytest.mark.slow
def test_a_container_and_a_file_made_by_hand_are_adopted_and_stay(organizer: Attendee, by_hand: Arm) -> None:
    assert organizer.solve(f"{LAKE}@dev").all_passed()
    container = f"{lake_of(organizer)}/blobServices/default/containers/datalake"
    assert by_hand.ask("PUT", container, {"properties": {}}, version=STORAGE).status_code == 201
    hand = Hand(organizer, by_hand)
    hand.upload(STAND_IN)
    assert organizer.solve(GET, f"{MAY_WRITE}@dev").all_passed()
    result = organizer.look(f"{UPLOAD}@dev")
    assert result.passed, result
    assert "by reading it" in actual(result, "SHA-256")
    assert actual(result, "Source, as noted in its metadata") == "nothing noted"
    organizer.solve(f"{UPLOAD}@dev")
    assert not [key for key in organizer.plan_teardown("initial-data") if key.startswith((CONTAINER, UPLOAD))]
    assert organizer.teardown("initial-data").all_passed()
    assert hand.ask("HEAD", f"/{dataset.NAME}").status_code == 200


@pytest.mark.slow
def test_another_file_of_the_same_name_is_named_and_not_written_over(organizer: Attendee, by_hand: Arm) -> None:
    assert organizer.solve(GET, f"{MAY_WRITE}@dev", f"{CONTAINER}@dev").all_passed()
    hand = Hand(organizer, by_hand)
    for wrong, what in ((b"theirs", "Size"), (STAND_IN[:-1] + b"?", "SHA-256")):
        hand.upload(wrong)
        result = organizer.look(f"{UPLOAD}@dev")
        assert result.status is Status.FAILED
        (unmet,) = [each for each in result.expectations if not each.met]
        assert unmet.what == what
        assert "Delete it in the portal" in result.next_action
        (change,) = organizer.plan(f"{UPLOAD}@dev")[f"{UPLOAD}@dev"]
        assert change.verb == "conflict"
        refused = organizer.solve(f"{UPLOAD}@dev").results[f"{UPLOAD}@dev"]
        assert "This wizard did not create it" in refused.summary
        assert hand.ask("GET", f"/{dataset.NAME}").content == wrong


@pytest.mark.slow
def test_what_another_profile_uploads_just_now_is_waited_for_and_adopted(
    organizer: Attendee, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = f"{UPLOAD}@dev"
    assert organizer.solve(f"{CONTAINER}@dev", f"{MAY_WRITE}@dev", GET).all_passed()
    other = Attendee(organizer.root, organizer.endpoints_file, profile="other")
    assert other.solve(f"{CONTAINER}@dev", GET).results[GET].passed
    monkeypatch.setattr(data_file, "TOLD_EVERY", 0.0)
    begun, go_on = threading.Event(), threading.Event()

    def hold(event: Event) -> None:
        if isinstance(event, Progressed) and ": 2.0 of" in event.text:
            begun.set()
            assert go_on.wait(60)

    wizard = other.wizard()
    (there,) = wizard.targets([target])
    context = wizard.connection.context(
        there, wizard.connection.reach(), ReadCache(), Reporter(target, hold, threading.Event())
    )
    with ThreadPoolExecutor(2) as pool:
        uploads = pool.submit(SOLVES["lake_data_file"].run, context)
        assert begun.wait(60)
        seen = organizer.look(target)
        assert seen.status is Status.WAITING
        assert "is being uploaded" in seen.summary
        solving = pool.submit(organizer.solve, target)
        time.sleep(0.5)
        assert not solving.done()
        go_on.set()
        uploads.result()
        assert solving.result().results[target].passed
    assert [each["fact"] for each in organizer.ledger() if each["target"] == target] == ["adopted"]


@pytest.mark.slow
def test_a_file_of_ours_that_is_no_longer_right_is_written_again(
    organizer: Attendee, by_hand: Arm, tmp_path: Path
) -> None:
    assert organizer.solve(f"{UPLOAD}@dev").all_passed()
    mine = tmp_path / "mine.csv"
    mine.write_bytes(own(ROW, ROW))
    solved = replace(organizer, flags={"own_data_file": str(mine)}).solve(f"{UPLOAD}@dev")
    assert solved.all_passed(), solved.results
    result = organizer.look(f"{UPLOAD}@dev")
    assert result.passed
    assert "not the lab's file" in result.summary
    assert Hand(organizer, by_hand).ask("GET", f"/{dataset.NAME}").content == own(ROW, ROW)


@pytest.mark.slow
def test_what_others_put_into_the_container_is_named_before_it_goes(organizer: Attendee, by_hand: Arm) -> None:
    assert organizer.solve(f"{UPLOAD}@dev").all_passed()
    Hand(organizer, by_hand).upload(b"a model", "/model.pickle")
    (change,) = organizer.plan_teardown(CONTAINER)[f"{CONTAINER}@dev"]
    assert "model.pickle" in change.note


@pytest.mark.slow
def test_what_went_with_the_lake_is_written_off(organizer: Attendee, by_hand: Arm) -> None:
    assert organizer.solve(f"{UPLOAD}@dev").all_passed()
    by_hand.ask("DELETE", lake_of(organizer), version=STORAGE)
    assert organizer.teardown().all_passed()
    assert [entry for entry in organizer.wizard().ledger.standing() if "dev" in entry.target] == []


@pytest.mark.slow
def test_a_role_that_is_young_is_waited_for(organizer: Attendee, practice_cloud: PracticeCloud) -> None:
    assert organizer.solve(f"{LAKE}@dev").all_passed()
    practice_cloud.control.settings(speed=300)
    seen: list[str] = []
    wizard = organizer.wizard()
    for event in wizard.solve(wizard.targets([f"{MAY_WRITE}@dev"])):
        seen.append(str(event))
    assert organizer.look(f"{MAY_WRITE}@dev").passed
    assert any("propagating" in each for each in seen)
