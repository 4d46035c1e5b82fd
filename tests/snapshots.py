"""Prepared situations: made once a session by the wizard itself, put back for every further test that begins there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.practice_cloud import PracticeCloud

SIGN_IN = "azure"
"""Folder of the practice cloud's session of `az`, in its state folder."""
PROFILES = "databrickscfg"


class Snapshots:
    """What the practice cloud of this session, and the files of whoever uses it, can be put back to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self, name: str, cloud: PracticeCloud, root: Path, make: Callable[[], None]) -> None:
        """Bring about a situation: by making it the first time, from its snapshot later.

        Args:
            name: Of the situation; the same name means the same `make`, variables and options.
            cloud: The cloud that it is about.
            root: Folder of the attendee's files; no absolute path of it may be kept in it.
            make: Brings it about, and asserts that it did.
        """
        kept = self._folder / name
        if not kept.exists():
            make()
            cloud.control.take_snapshot(name)
            draft = kept.with_suffix(".draft")
            shutil.copytree(root, draft / "root", symlinks=True)
            if (cloud.state / SIGN_IN).is_dir():
                shutil.copytree(cloud.state / SIGN_IN, draft / SIGN_IN)
            if (cloud.state / PROFILES).is_file():
                shutil.copy(cloud.state / PROFILES, draft / PROFILES)
            draft.rename(kept)
            return
        cloud.control.restore_snapshot(name)
        shutil.copytree(kept / "root", root, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(cloud.state / SIGN_IN, ignore_errors=True)
        if (kept / SIGN_IN).is_dir():
            # With the time of now: MSAL reads a file again only if it is newer than what it has read.
            shutil.copytree(kept / SIGN_IN, cloud.state / SIGN_IN, copy_function=shutil.copy)
        (cloud.state / PROFILES).unlink(missing_ok=True)
        if (kept / PROFILES).is_file():
            shutil.copy(kept / PROFILES, cloud.state / PROFILES)


@pytest.fixture(scope="session")
def snapshots(tmp_path_factory: pytest.TempPathFactory, practice_server: PracticeCloud) -> Snapshots:
    """The snapshots of this session's practice cloud."""
    del practice_server
    return Snapshots(tmp_path_factory.mktemp("snapshots"))
