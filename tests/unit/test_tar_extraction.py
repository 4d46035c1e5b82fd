"""Archives of others are extracted as data, on Python versions without `tarfile.data_filter` as on those with it."""

from __future__ import annotations

import io
import stat
import sys
import tarfile
from pathlib import Path

import pytest

from hol_wizard.tar_extraction import extract_member


@pytest.fixture(params=["this Python", "3.11.3 and older"], autouse=True)
def python(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "this Python":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    elif not hasattr(tarfile, "data_filter"):
        pytest.skip("this Python has no data_filter")


def archived(*members: tuple[tarfile.TarInfo, bytes]) -> tarfile.TarFile:
    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode="w") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    kept.seek(0)
    return tarfile.open(fileobj=kept)


def of(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode, member.uid, member.gid = kind, link, mode, 4321, 4321
    return member


def test_files_folders_and_links_inside_are_extracted(tmp_path: Path) -> None:
    members = (
        (of("folder", tarfile.DIRTYPE, mode=0o000), b""),
        (of("folder/run.sh", mode=0o4777), b"#!/bin/sh\n"),
        (of("folder/plain", mode=0o066), b"text"),
        (of("folder/link", tarfile.SYMTYPE, "../folder/plain"), b""),
        (of("again", tarfile.LNKTYPE, "folder/plain"), b""),
    )
    with archived(*members) as archive:
        for member in archive:
            extract_member(archive, member, tmp_path)
    assert (tmp_path / "folder" / "link").read_bytes() == (tmp_path / "again").read_bytes() == b"text"
    if sys.platform != "win32":
        run, plain = ((tmp_path / "folder" / name).stat() for name in ("run.sh", "plain"))
        assert stat.S_IMODE(run.st_mode) == 0o755
        assert stat.S_IMODE(plain.st_mode) & 0o722 == 0o600
        assert plain.st_uid == tmp_path.stat().st_uid


@pytest.mark.parametrize(
    "member",
    [
        of("../outside"),
        of("a/../../outside"),
        of("link", tarfile.SYMTYPE, "../outside"),
        of("link", tarfile.SYMTYPE, "/etc/passwd"),
        of("again", tarfile.LNKTYPE, "../outside"),
        of("pipe", tarfile.FIFOTYPE),
        of("device", tarfile.CHRTYPE),
    ],
    ids=lambda member: f"{member.name}-{member.linkname}",
)
def test_what_leads_outside_or_is_no_data_is_refused(member: tarfile.TarInfo, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    with archived((member, b"")) as archive, pytest.raises(tarfile.TarError):
        extract_member(archive, next(iter(archive)), target)
    assert [*tmp_path.iterdir()] == [target]
    assert [*target.iterdir()] == []


def test_a_link_of_the_archive_itself_leads_nowhere(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / "outside").mkdir()
    (target / "link").symlink_to(tmp_path / "outside")
    with archived((of("link/file"), b"text")) as archive, pytest.raises(tarfile.TarError):
        extract_member(archive, next(iter(archive)), target)
    assert [*(tmp_path / "outside").iterdir()] == []
