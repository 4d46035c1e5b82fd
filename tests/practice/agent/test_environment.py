"""What a step's program receives of this machine, and how bash is found."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hol_wizard.practice.pipelines.agent import environment, shells
from hol_wizard.practice.pipelines.agent.workspace import OutsideError, Workspace
from tests.practice.agent.bench import Bench, script, variable

OF_THE_PERSON = {
    "SSH_AUTH_SOCK": "/run/agent",
    "DBUS_SESSION_BUS_ADDRESS": "unix:/run/bus",
    "AZURE_CONFIG_DIR": "/home/me/.azure",
    "AZURE_CLIENT_SECRET": "s",
    "DATABRICKS_TOKEN": "t",
    "AWS_PROFILE": "p",
    "GIT_DIR": "/home/me/.git",
    "GIT_ASKPASS": "/bin/ask",
    "DOCKER_CONFIG": "/home/me/.docker",
    "GH_TOKEN": "t",
    "MY_API_KEY": "k",
    "PYTHONPATH": "/home/me/lib",
    "LD_PRELOAD": "/home/me/x.so",
    "HTTPS_PROXY": "http://me:pw@proxy",
}
OF_BASH = {"PWD", "OLDPWD", "SHLVL", "_"}


async def test_a_step_receives_only_what_is_allowed(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in OF_THE_PERSON.items():
        monkeypatch.setenv(name, value)
    home = tmp_path / "home-of-the-person"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    out = tmp_path / "out"
    await bench.do(
        script(f"env -0 > {out}; echo x > ~/file; command -v sudo", env={"MINE": "1"}, display_name="Env"),
        variables=(variable("my.var", "v"),),
    )
    given = dict(each.split("=", 1) for each in out.read_text().split("\0") if each)
    declared = {"MINE", "MY_VAR", "TF_BUILD"}
    system = {name for name in given if name.startswith(("AGENT_", "BUILD_", "SYSTEM_", "COMMON_", "PIPELINE_"))}
    practice = {"ARM_URL", "REQUESTS_CA_BUNDLE"}
    own = {*environment.OWN, *environment.PASSED_ON}
    assert set(given) - declared - system - practice - own - OF_BASH == set()
    assert not set(OF_THE_PERSON) & set(given) - {"GIT_CONFIG_GLOBAL"}
    assert given["MY_VAR"] == "v"
    assert given["HOME"] != str(home)
    assert given["LANG"] == "C.UTF-8"
    assert given["GIT_CONFIG_GLOBAL"] == "/dev/null"
    assert list(home.iterdir()) == []
    assert str(home) not in " ".join(value for name, value in given.items() if name != "PATH")


async def test_an_image_with_another_user_can_read_what_a_step_writes(bench: Bench) -> None:
    before = os.umask(0o077)  # as the server has it
    try:
        await bench.do(script("umask; touch new; stat --format=%a new", display_name="Write"))
    finally:
        os.umask(before)
    assert bench.log("Write")[-3:-1] == ["0022", "644"]


async def test_sudo_refuses_with_a_sentence(bench: Bench) -> None:
    await bench.do(script("sudo apt-get install x", display_name="Install"))
    assert bench.steps()["Install"] == "failed"
    assert any("The practice agent does not run sudo" in line for line in bench.log("Install"))


async def test_a_step_has_no_standard_input_and_a_new_workspace_for_each_job(bench: Bench) -> None:
    await bench.do(
        script("read line || echo none; ls -A $BUILD_SOURCESDIRECTORY $AGENT_TEMPDIRECTORY/..", display_name="Look")
    )
    assert "none" in bench.log("Look")
    assert not list(bench.jobs.work_folder.glob("*"))


def test_the_search_path_begins_with_what_steps_prepended_and_the_launchers(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    found = environment.search_path("/usr/bin", workspace, Path("/launchers"), ["/b", "/a"], ":")
    assert found == f"/b:/a:/launchers:{workspace.shims}:/usr/bin"


def test_windows_passes_on_its_own_variables(tmp_path: Path) -> None:
    machine = {"SystemRoot": r"C:\Windows", "ComSpec": "cmd", "Path": "p", "USERNAME": "me", "AZURE_X": "1"}
    found = environment.base(machine, Workspace(tmp_path), None, [], {})
    assert (found["SYSTEMROOT"], found["COMSPEC"]) == (r"C:\Windows", "cmd")
    assert found["PATH"].endswith("p")
    assert not {"USERNAME", "AZURE_X"} & set(found)


def test_bash_on_windows_is_gits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    core = tmp_path / "Git" / "mingw64" / "libexec" / "git-core"
    core.mkdir(parents=True)
    with pytest.raises(shells.NoShellError, match="Git for Windows"):
        shells.bash(
            {"PATH": r"C:\Windows\System32"},
            True,
            lambda: str(core).replace("/", "\\") if sys.platform == "win32" else str(core),
        )
    (tmp_path / "Git" / "bin").mkdir()
    (tmp_path / "Git" / "bin" / "bash.exe").touch()
    assert shells.bash({"PATH": ""}, True, lambda: str(core)).replace("\\", "/").endswith("Git/bin/bash.exe")
    with pytest.raises(shells.NoShellError):
        shells.bash({"PATH": ""}, True, lambda: "")
    with pytest.raises(shells.NoShellError):
        shells.bash({"PATH": str(tmp_path)}, False, lambda: "")


@pytest.mark.parametrize(
    ("path", "windows", "expected"),
    [
        (r"C:\a b\x.sh", True, "/c/a b/x.sh"),
        (r"D:\_work\_temp", True, "/d/_work/_temp"),
        (r"a\b", True, "a/b"),
        ("/tmp/x.sh", False, "/tmp/x.sh"),  # noqa: S108 - a path, not a file
    ],
)
def test_paths_are_as_bash_takes_them(path: str, windows: bool, expected: str) -> None:
    assert shells.path_for_bash(path, windows) == expected


def test_a_script_has_unix_line_ends_and_is_only_its_owners(tmp_path: Path) -> None:
    file = shells.write_script(tmp_path, "a\r\nb\r\n")
    assert file.read_bytes() == b"a\nb\n"
    assert file.stat().st_mode & 0o077 == 0


def test_a_checkout_stays_in_the_agents_folder(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert workspace.inside("s/x") == workspace.sources.resolve() / "x"
    with pytest.raises(OutsideError):
        workspace.inside("../../x")
