from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import pytest

from hol_wizard.errors import ServiceError
from hol_wizard.services import dataset
from hol_wizard.services.dataset import COLUMNS, HEADER, Origin

REAL = Path(__file__).parents[4] / "shared" / "lab" / "data" / dataset.NAME
"""The real file, where the tests are given one."""
needs_real = pytest.mark.skipif(not REAL.is_file(), reason="the real data file is not beside this checkout")

ROW = "39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, White, Male, 0, 0, 40, X, <=50K"


@pytest.fixture(scope="module")
def stand_in() -> bytes:
    return dataset.stand_in()


def own(*rows: str, end: str = "\n") -> bytes:
    return HEADER + end.join(rows).encode()


@needs_real
def test_the_real_file_is_known() -> None:
    data = dataset.examine(REAL.read_bytes())
    assert data.origin is Origin.ORIGINAL
    assert (data.size, data.rows, data.columns, data.fits) == (3_974_473, 32_561, COLUMNS, True)


@needs_real
def test_the_real_file_is_built_of_what_its_source_hands_out_packed_or_not() -> None:
    content = REAL.read_bytes()
    rows = content[len(HEADER) :] + b"\n\n"
    assert dataset.build(rows) == content
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("adult.names", "about it")
        archive.writestr("adult.data", rows)
    assert dataset.build(packed.getvalue()) == content
    with pytest.raises(ServiceError, match="not the lab's data") as caught:
        dataset.build(rows + b"\n")
    assert "expected 5b002646" in caught.value.detail


@pytest.mark.parametrize("download", [b"", b"<html>Not here any more</html>", b"PK\x03\x04 no archive"])
def test_what_is_something_else_is_not_used(download: bytes) -> None:
    with pytest.raises(ServiceError, match="so it is not used"):
        dataset.build(download)


def test_the_stand_in_is_the_same_everywhere_and_never_taken_for_the_real_one(stand_in: bytes) -> None:
    data = dataset.examine(stand_in)
    assert data.sha256 == dataset.STAND_IN_SHA256 != dataset.SHA256
    assert data.origin is Origin.STAND_IN
    assert data.fits
    assert not stand_in.endswith(b"\n")


def test_the_stand_in_has_the_columns_the_rows_and_about_the_distributions_of_the_real_one(stand_in: bytes) -> None:
    rows = list(csv.DictReader(io.StringIO(stand_in.decode())))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == dataset.ROWS
    assert all(value.startswith(" ") for name, value in rows[0].items() if name != "age")
    ages, weights = [int(row["age"]) for row in rows], [int(row[" fnlwgt"]) for row in rows]
    assert (min(ages), max(ages)) == (17, 89)
    assert sum(ages) / len(ages) == pytest.approx(38.6, abs=0.5)
    assert sum(weights) / len(weights) == pytest.approx(189_778, rel=0.02)
    assert sum(int(row[" hours-per-week"]) for row in rows) / len(rows) == pytest.approx(40.4, abs=0.5)
    for column, value, share in (
        (" sex", "Male", 0.669),
        (" income", ">50K", 0.241),
        (" workclass", "Private", 0.697),
        (" marital-status", "Married-civ-spouse", 0.460),
        (" native-country", "United-States", 0.896),
    ):
        found = sum(row[column].strip() == value for row in rows) / len(rows)
        assert found == pytest.approx(share, abs=0.02), column


@needs_real
def test_no_row_of_the_real_file_is_in_the_stand_in(stand_in: bytes) -> None:
    assert not set(REAL.read_bytes().splitlines()[1:]) & set(stand_in.splitlines()[1:])


def test_another_file_of_the_same_form_fits_and_is_told_apart() -> None:
    for content in (own(ROW), own(ROW, ROW, ""), own(ROW, ROW, end="\r\n").replace(b" income\n", b" income\r\n")):
        data = dataset.examine(content)
        assert data.origin is Origin.OTHER
        assert data.fits, data.problem


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no column “age”"),
        (own(ROW).replace(b" hours-per-week", b" hours", 1), "no column “ hours-per-week”; it has “ hours”"),
        (own(ROW).replace(b", ", b","), "lack the leading space"),
        (own(ROW).replace(b" sex, capital", b" capital", 1), "no column"),
        (own(ROW).replace(b"age, workclass", b" workclass,age", 1), "another order"),
        (own(ROW).replace(b",", b";"), "separated by semicolons"),
        (own(ROW).replace(b",", b"\t"), "separated by tabs"),
        (own(ROW).decode().encode("utf-16"), "it is UTF-16"),
        (own(ROW).decode().encode("utf-16-le"), "UTF-16"),
        (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "it is a web page"),
        (b"\n <html>", "it is a web page"),
        (b"PK\x03\x04\x14\x00", "it is a ZIP archive"),
        (b"\x1f\x8b\x08", "compressed (gzip)"),
        (b'{"error": "Not found"}', "it is JSON"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:8dba\nsize 3974473\n", "a pointer of Git LFS"),
        (HEADER, "no rows"),
        (own(ROW, "1, 2"), "line 3 has 2 values"),
        (own(ROW, ROW.replace("77516", "many")), "line 3: fnlwgt is “many”"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_what_is_wrong(content: bytes, problem: str) -> None:
    data = dataset.examine(content)
    assert not data.fits
    assert problem in data.problem


def test_a_file_that_is_too_large_is_not_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "MOST", 100)
    data = dataset.examine(own(ROW))
    assert not data.fits
    assert "larger" in data.problem
