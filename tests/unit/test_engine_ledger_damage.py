"""The ledger on a bad disk: what cannot be read is told, the rest still counts, and nothing is written over."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hol_wizard.engine.ledger import Entry, Fact, Ledger
from hol_wizard.errors import LedgerError

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such file, limit or right")
TARGET = "resource-groups/create-the-three-resource-groups@dev"
KIND = "Resource group"


def group(number: int) -> str:
    return f"/subscriptions/s/resourceGroups/group-{number}"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger of ten lines: five groups, each begun and made."""
    made = Ledger(tmp_path / "state" / "ledger.jsonl")
    for number in range(5):
        made.write(Fact.INTENT, TARGET, group(number), KIND)
        made.write(Fact.CREATED, TARGET, group(number), KIND, "détail “5”")
    return made


def lines_of(ledger: Ledger) -> list[bytes]:
    return ledger.path.read_bytes().splitlines(keepends=True)


def with_line(ledger: Ledger, number: int, line: bytes) -> None:
    lines = lines_of(ledger)
    lines[number - 1] = line
    ledger.path.write_bytes(b"".join(lines))


def entry_line(**values: object) -> bytes:
    whole = {"fact": "intent", "target": TARGET, "resource": group(9), "kind": KIND, "detail": "", "at": ""}
    return json.dumps({**whole, **values}).encode() + b"\n"


BAD_LINES: dict[str, bytes] = {
    "random bytes": b"\x8f\x03\xaa\xff\x18" * 16 + b"\n",
    "NUL bytes": b"\0" * 120 + b"\n",
    "half a line": b'{"fact": "intent", "target": "resour\n',
    "no resource": entry_line(resource=None),
    "an empty resource": entry_line(resource=""),
    "a number for a text": entry_line(kind=5),
    "a list for a text": entry_line(detail=["x"]),
    "a list": b'["intent"]\n',
    "a number": b"7\n",
    "a number of 5,000 digits": b"7" * 5000 + b"\n",
    "a fact of a newer version": entry_line(fact="moved"),
    "a byte order mark": b"\xef\xbb\xbf" + entry_line(),
    "deep nesting": b"[" * 100_000 + b"\n",
    "deep nesting in an entry": b'{"fact": ' + b"[" * 100_000 + b"\n",
    "half a letter": '{"fact": "intent", "target": "é'.encode()[:-1] + b"\n",
    "Latin-1": entry_line().replace(b"group-9", b"gr\xfcppe"),
    "UTF-16": "{}".encode("utf-16") + b"\n",
    "a changed letter": b"",
}


@pytest.mark.parametrize("kind", BAD_LINES)
def test_a_bad_line_is_told_with_its_number_and_loses_only_itself(ledger: Ledger, kind: str) -> None:
    bad = BAD_LINES[kind] or lines_of(ledger)[4].replace(b"group-2", b"group-3")
    with_line(ledger, 5, bad)
    damage = ledger.damage
    assert damage is not None
    assert damage.lines == (5,)
    assert damage.total == 10
    assert f"{ledger.path} is damaged: line 5 (1 of 10 lines) cannot be read" in damage.message
    assert "ledger rebuild" in damage.hint
    assert [entry.resource for entry in ledger.standing()] == [group(number) for number in (0, 1, 3, 4)]
    with pytest.raises(LedgerError, match="line 5"):
        ledger.require_whole()


def test_a_gap_makes_uncertain_what_was_begun_before_it_only(ledger: Ledger) -> None:
    with_line(ledger, 5, b"\0" * (len(lines_of(ledger)[4]) - 1) + b"\n")
    assert [ledger.certain(group(number)) for number in (0, 1, 3, 4)] == [False, False, True, True]
    ledger.write(Fact.INTENT, TARGET, group(0), KIND)
    assert ledger.certain(group(0))


TAILS: dict[str, bytes] = {
    "NUL bytes": b"\0" * 4096,
    "an entry with NUL bytes behind it": entry_line()[:-1] + b"\0" * 10,
    "random bytes": b"\x8f\x03\xaa\xff",
    "half a letter": '{"fact": "intent", "target": "é'.encode()[:-1],
    "a string": b"hello",
    "the beginning of something else": b'{"fact": "int',
    "a line with a wrong key": b'{"crc32": "00000000", "fact: "int',
    "JSON of something else": b'{"fact": "intent"}',
    "a list": b"[1, 2",
}


@pytest.mark.parametrize("kind", TAILS)
def test_an_end_that_no_kill_leaves_is_told_also_after_more_was_written(ledger: Ledger, kind: str) -> None:
    with ledger.path.open("ab") as file:
        file.write(TAILS[kind])
    assert ledger.damage is not None
    assert ledger.damage.lines == (11,)
    ledger.write(Fact.INTENT, TARGET, group(7), KIND)
    assert ledger.damage is not None
    assert ledger.damage.lines == (11,)
    assert ledger.made(group(7))
    assert len(ledger.standing()) == 6


@pytest.mark.slow
def test_a_kill_at_any_byte_of_a_line_is_no_damage_and_loses_nothing_else(ledger: Ledger) -> None:
    before = ledger.path.read_bytes()
    length = ledger.path.with_name("ledger.jsonl.length").read_bytes()
    ledger.write(Fact.INTENT, TARGET, f'{group(6)}/"\\é\u2028', "Gruppe “ü”", "back\\slash\ttab\n")
    line = ledger.path.read_bytes()[len(before) :]
    for cut in range(len(line)):
        ledger.path.write_bytes(before + line[:cut])
        ledger.path.with_name("ledger.jsonl.length").write_bytes(length)
        torn = Ledger(ledger.path)
        assert torn.damage is None, line[:cut]
        assert len(torn.standing()) == (6 if cut == len(line) - 1 else 5)
        torn.write(Fact.CREATED, TARGET, group(6), KIND)
        torn.write(Fact.INTENT, TARGET, group(8), KIND)
        assert torn.damage is None, line[:cut]
        assert len(list(torn.entries())) == (13 if cut == len(line) - 1 else 12)
        assert torn.made(group(8))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_is_told_wherever_it_was_cut_and_stays_so(ledger: Ledger, share: float) -> None:
    data = ledger.path.read_bytes()
    ledger.path.write_bytes(data[: int(len(data) * share)])
    assert ledger.damage is not None
    assert str(ledger.path) in ledger.damage.message
    for number in range(30):
        ledger.write(Fact.DELETED, TARGET, group(number), KIND)
    assert ledger.damage is not None
    assert Ledger(ledger.path).damage is not None


def test_a_file_cut_at_the_end_of_a_line_is_told(ledger: Ledger) -> None:
    ledger.path.write_bytes(b"".join(lines_of(ledger)[:5]))
    assert ledger.damage is not None
    assert "it ends after line 5" in ledger.damage.message
    assert len(ledger.standing()) == 3
    assert not ledger.certain(group(0))


def test_a_ledger_that_is_gone_is_told_and_one_that_never_was_is_not(ledger: Ledger, tmp_path: Path) -> None:
    ledger.path.unlink()
    assert ledger.damage is not None
    assert "the file is missing" in ledger.damage.message
    assert not ledger.exists
    never = Ledger(tmp_path / "other" / "ledger.jsonl")
    assert never.damage is None
    assert not never.exists


def test_a_ledger_without_a_note_of_its_length_is_whole(ledger: Ledger) -> None:
    length = ledger.path.with_name("ledger.jsonl.length")
    for text in (b"", b"nonsense", b"-5", "²".encode()):
        length.write_bytes(text)
        assert Ledger(ledger.path).damage is None
    length.unlink()
    assert Ledger(ledger.path).damage is None


def test_lines_without_a_checksum_count_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(entry_line() + entry_line(fact="created", of_a_newer_version="é").replace(b"\n", b"\r\n"))
    assert Ledger(path).damage is None
    assert Ledger(path).created(group(9))


@POSIX
def test_something_else_in_its_place_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "ledger.jsonl"
    folder.mkdir()
    ledger = Ledger(folder)
    assert ledger.damage is not None
    assert "it is a folder" in ledger.damage.message
    with pytest.raises(LedgerError, match="group-1 is not created: the ledger cannot be written"):
        ledger.write(Fact.INTENT, TARGET, group(1), KIND)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "not a file" in str(Ledger(pipe).damage)
    with pytest.raises(LedgerError):
        Ledger(pipe).write(Fact.INTENT, TARGET, group(1), KIND)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert Ledger(loop).damage is not None
    below = Ledger(pipe / "ledger.jsonl")
    assert below.damage is not None
    with pytest.raises(LedgerError):
        below.write(Fact.INTENT, TARGET, group(1), KIND)


READ = """
import os, sys; from pathlib import Path; from hol_wizard.engine.ledger import *; from hol_wizard.errors import *
if os.geteuid() == 0: os.setuid(65534)
ledger = Ledger(Path(sys.argv[1]))
print(ledger.damage.message)
try: ledger.write(Fact.INTENT, "a/b", "c", "d")
except LedgerError as error: print(error.message)
"""


@pytest.fixture
def open_path(tmp_path: Path) -> None:
    """Let every user pass through the folders above the test's."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):  # noqa: S108 where pytest has its folders
            folder.chmod(0o755)


@POSIX
@pytest.mark.usefixtures("open_path")
def test_a_file_that_may_not_be_read_is_told(ledger: Ledger) -> None:
    ledger.path.parent.chmod(0o755)
    ledger.path.chmod(0)
    done = subprocess.run([sys.executable, "-c", READ, str(ledger.path)], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    told = done.stdout.splitlines()
    assert "cannot be read: Permission denied" in told[0]
    assert "is not created: the ledger cannot be written" in told[1]


FULL = """
import resource, sys; from pathlib import Path
from hol_wizard.engine.ledger import *; from hol_wizard.errors import LedgerError
ledger = Ledger(Path(sys.argv[1]))
size = ledger.path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, resource.RLIM_INFINITY))
try: ledger.write(Fact.INTENT, "a/b", "c", "Resource group")
except LedgerError as error: print(error.message)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(ledger.path.stat().st_size - size, ledger.damage, ledger.made("c"))
ledger.write(Fact.INTENT, "a/b", "c", "Resource group")
print(ledger.damage, ledger.made("c"))
"""


@POSIX
def test_a_full_disk_is_an_error_that_says_that_nothing_is_created(ledger: Ledger) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(ledger.path)], capture_output=True, text=True, check=True, timeout=60
    )
    told, *rest = done.stdout.splitlines()
    assert told.startswith("Resource group c is not created: the ledger cannot be written.")
    assert str(ledger.path) in told
    assert rest == ["20 None False", "None True"]


RACE = """
import sys; from pathlib import Path; from hol_wizard.engine.ledger import *
ledger = Ledger(Path(sys.argv[1]))
for number in range(200): ledger.write(Fact.INTENT, "a/b", f"{sys.argv[2]}/{number}", "x" * (number * 7 % 300 + 1))
"""


@pytest.mark.slow
def test_two_processes_write_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", RACE, str(path), name]) for name in ("one", "two", "three")]
    reader = Ledger(path)
    while any(writer.poll() is None for writer in writers):
        list(reader.entries())
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert len(Ledger(path).standing()) == 600
    assert b"\x18" not in path.read_bytes().replace(b"\x18\n", b"")


@POSIX
def test_lines_and_the_folders_above_are_on_the_disk_before_writing_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(file: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{file}").readlink()))
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    path = tmp_path / "new" / "newer" / "ledger.jsonl"
    ledger = Ledger(path)
    for fact in Fact:
        synced.clear()
        ledger.write(fact, TARGET, group(1), KIND)
        assert synced[0] == str(path)
        if fact is Fact.INTENT:
            assert synced[1:] == [str(path.parent), str(path.parent.parent), str(tmp_path)]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def _flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 1, 3, 40))):
        data[chance.randrange(len(data))] = chance.randrange(256)


def _zero(data: bytearray, chance: random.Random) -> None:
    begin = chance.randrange(len(data))
    data[begin : begin + chance.randrange(1, 200)] = b""
    data.extend(bytes(chance.randrange(1, 300)))


def _zero_inside(data: bytearray, chance: random.Random) -> None:
    begin = chance.randrange(len(data))
    end = min(len(data), begin + chance.randrange(1, 300))
    data[begin:end] = bytes(end - begin)


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def _insert(data: bytearray, chance: random.Random) -> None:
    begin = chance.randrange(len(data) + 1)
    data[begin:begin] = chance.randbytes(chance.randrange(1, 60))


def _take_out(data: bytearray, chance: random.Random) -> None:
    begin = chance.randrange(len(data))
    del data[begin : begin + chance.randrange(1, 400)]


WAYS: tuple[Callable[[bytearray, random.Random], None], ...] = (_flip, _zero, _zero_inside, _cut, _insert, _take_out)


def test_whatever_happens_to_the_file_a_loss_is_told_and_nothing_false_is_read(ledger: Ledger) -> None:
    whole, known = ledger.path.read_bytes(), set(ledger.entries())
    told = 0
    for seed in range(600):
        chance = random.Random(seed)  # noqa: S311 the same damage in every run
        data = bytearray(whole)
        WAYS[seed % len(WAYS)](data, chance)
        ledger.path.write_bytes(data)
        entries, damage = list(ledger.entries()), ledger.damage
        assert set(entries) <= known, seed
        assert damage is not None or entries == list(known_in_order(whole)), (seed, WAYS[seed % len(WAYS)])
        told += damage is not None
        if damage is not None:
            assert str(ledger.path) in damage.message
    assert told > 500
    ledger.path.write_bytes(whole)
    assert ledger.damage is None


def known_in_order(whole: bytes) -> list[Entry]:
    return [Entry(Fact(each.pop("fact")), **each) for each in map(_without_checksum, whole.splitlines())]


def _without_checksum(line: bytes) -> dict[str, str]:
    return {name: value for name, value in json.loads(line).items() if name != "crc32"}


def test_a_rebuilt_ledger_is_whole_and_the_old_one_is_kept_under_a_name_of_its_own(ledger: Ledger) -> None:
    with_line(ledger, 5, b"\0\0\0\n")
    old = ledger.path.read_bytes()
    entries = [*ledger.entries(), Entry(Fact.INTENT, TARGET, group(2), KIND)]
    asides = []
    for _ in range(3):
        aside = ledger.rebuild(entries)
        assert aside is not None
        asides.append(aside)
    assert len(set(asides)) == 3
    assert asides[0].read_bytes() == old
    assert ledger.damage is None
    assert list(ledger.entries()) == entries
    assert {path.name for path in ledger.path.parent.iterdir()} == {
        "ledger.jsonl",
        "ledger.jsonl.length",
        *(aside.name for aside in asides),
    }
    ledger.write(Fact.DELETED, TARGET, group(2), KIND)
    assert ledger.damage is None


def test_a_rebuild_works_over_nothing_a_folder_and_a_cut_file(ledger: Ledger, tmp_path: Path) -> None:
    ledger.path.write_bytes(ledger.path.read_bytes()[:300])
    assert ledger.rebuild([]) is not None
    assert ledger.damage is None
    never = Ledger(tmp_path / "never" / "ledger.jsonl")
    assert never.rebuild([Entry(Fact.INTENT, TARGET, group(1), KIND)]) is None
    assert never.made(group(1))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").touch()
    aside = Ledger(tmp_path / "folder").rebuild([])
    assert aside is not None
    assert [each.name for each in aside.iterdir()] == ["mine"]
    assert Ledger(tmp_path / "folder").damage is None


@POSIX
def test_a_rebuild_that_cannot_be_written_leaves_the_old_one(ledger: Ledger) -> None:
    with_line(ledger, 5, b"\0\0\0\n")
    old = ledger.path.read_bytes()
    huge = replace(next(ledger.entries()), detail="x" * 50_000)
    code = (
        "import resource, sys; from pathlib import Path; from hol_wizard.engine.ledger import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, resource.RLIM_INFINITY))\n"
        f"Ledger(Path(sys.argv[1])).rebuild([Entry(Fact.INTENT, 'a/b', 'c', 'd', 'x' * {len(huge.detail)})])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ledger.path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert "LedgerError: The ledger is not rebuilt." in done.stderr
    assert ledger.path.read_bytes() == old
    assert {path.name for path in ledger.path.parent.iterdir()} == {"ledger.jsonl", "ledger.jsonl.length"}


@pytest.mark.slow
def test_five_thousand_entries_are_no_trouble(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.rebuild(
        Entry(fact, TARGET, group(number), KIND) for number in range(2500) for fact in (Fact.INTENT, Fact.CREATED)
    )
    began = time.perf_counter()
    for number in range(2500):
        assert ledger.made(group(number))
        assert ledger.created(group(number))
    assert ledger.open_operation(group(5)) is None
    assert len(ledger.standing()) == 2500
    assert time.perf_counter() - began < 2
