"""Every place that writes, replaces or removes files is known: a person's own go through `person_files`."""

from __future__ import annotations

import ast
from pathlib import Path

import hol_wizard

ROOT = Path(hol_wizard.__file__).parent
ELSEWHERE = {"practice", "starter", "_screens"}
"""Programs of their own. A practice cloud writes into a folder that it has claimed (`state_folder`)."""

WRITERS = {
    "person_files.py": "the one way for a person's files",
    "headless/report_file.py": "a device or a pipe that --output names; files go through person_files",
    "engine/ledger.py": "the wizard's own folder",
    "lab/profile.py": "the wizard's own folder",
    "defects.py": "the wizard's own folder",
    "log.py": "the wizard's own folder",
    "paths.py": "the wizard's own folder",
    "tui/ui_state.py": "the wizard's own folder",
    "services/downloads.py": "the wizard's own folder",
    "git_sign_in/__init__.py": "a temporary folder",
    "cli/lab_command.py": "a temporary folder, for a test of a lab",
    "services/git/program.py": "a temporary folder",
    "services/git/remote.py": "a temporary repository",
    "services/git/clone.py": "a clone that the wizard made: what it moves or removes is a resource with a mark",
    "services/az_session.py": "the token cache of the Azure CLI: a lock that nobody holds, and a draft of its own",
    "services/containers/without_container.py": "the note of a build in the clone: a resource with a mark",
    "steps/build_pipeline.py": "a temporary folder",
    "resources/test_run.py": "what a run of the tests has listed as its own: a resource with a mark",
}
"""What each module writes that opens, moves or removes files itself."""

OF_PATHS = {"write_text", "write_bytes", "touch", "unlink", "rmdir", "rename", "symlink_to", "hardlink_to"}
OF_OS = {"remove", "unlink", "rename", "renames", "replace", "rmdir", "removedirs", "link", "symlink", "truncate"}
OF_SHUTIL = {"rmtree", "copy", "copy2", "copyfile", "copytree", "move"}


def opens_to_write(call: ast.Call) -> bool:
    given = [*call.args, *(each.value for each in call.keywords if each.arg == "mode")]
    modes = [each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return any(set(mode) <= set("rwaxbt+") and set(mode) & set("wax+") for mode in modes)


def writes(call: ast.Call) -> bool:
    owner, _, name = ast.unparse(call.func).rpartition(".")
    if owner == "os":
        return name in OF_OS or (name == "open" and "O_CREAT" in ast.unparse(call))
    if owner == "shutil":
        return name in OF_SHUTIL
    if name == "open":
        return opens_to_write(call)
    # A path is replaced with one argument; a string, a time or a dataclass with several or with names.
    replaces = name == "replace" and len(call.args) == 1 and not call.keywords
    return bool(owner) and (name in OF_PATHS or replaces)


def test_every_module_that_writes_files_is_known_with_what_it_writes() -> None:
    found = set()
    for path in ROOT.rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        if name.partition("/")[0] not in ELSEWHERE:
            calls = (
                each for each in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(each, ast.Call)
            )
            if any(map(writes, calls)):
                found.add(name)
    assert found == set(WRITERS)
