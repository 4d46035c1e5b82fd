"""The environment variables are for the wizard; a program that it starts gets those that it needs, by an allow-list."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hol_wizard import variables

FOREIGN = (
    *("AZURE_CLIENT_SECRET", "ARM_CLIENT_SECRET", "GITHUB_TOKEN", "DB_PASSWORD", "HOL_WIZARD_DEVOPS_TOKEN"),
    *(
        "ANYTHING_AT_ALL",
        "XDG_SESSION_TOKEN",
        "LC_API_KEY",
        "AZURE_CORE_PASSWORD",
        "TEXTUAL_SECRET",
        "DOCKER_AUTH_CONFIG",
    ),
    *("DATABRICKS_TOKEN", "DATABRICKS_HOST", "DATABRICKS_CONFIG_PROFILE", "SSLKEYLOGFILE", "NETRC"),
    *("PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONBREAKPOINT", "PYTHONWARNINGS"),
    *("GIT_SSL_NO_VERIFY", "GIT_TRACE_CURL", "GIT_EXEC_PATH", "GIT_TEMPLATE_DIR", "GIT_ASKPASS", "GIT_SSH_COMMAND"),
)
"""Secrets of ours and of others, and what sends a program somewhere else."""
NEEDED = ("PATH", "HOME", "LC_ALL", "https_proxy", "NO_PROXY", "REQUESTS_CA_BUNDLE", "DOCKER_HOST", "DISPLAY", "TERM")


def local_variables_of_git() -> list[str]:
    asked = ["git", "rev-parse", "--local-env-vars"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()


def test_what_nobody_needs_is_taken_from_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = {*FOREIGN, *local_variables_of_git()}
    assert "GIT_DIR" in foreign
    environ = {name: f"canary of {name}" for name in (*foreign, *NEEDED)}
    before = dict(environ)
    assert variables.take(environ) == before
    assert environ.keys() == set(NEEDED)
    for name, value in before.items():
        if name not in NEEDED:
            monkeypatch.setenv(name, value)
    taken = variables.of_child(os.environ)
    shown = "import os; print(*os.environ.items(), sep='\\n')"
    started = subprocess.run([sys.executable, "-c", shown], stdout=subprocess.PIPE, text=True, check=True, env=taken)
    assert "'PATH'" in started.stdout
    assert "canary" not in started.stdout


def test_each_program_gets_what_it_needs_and_not_what_another_does() -> None:
    environ = {
        name: "given"
        for name in (
            *("PATH", "HTTPS_PROXY", "all_proxy", "DOCKER_HOST", "SSH_AUTH_SOCK", "GIT_SSL_CAINFO", "GIT_AUTHOR_NAME"),
            *("AZURE_CONFIG_DIR", "DATABRICKS_CONFIG_FILE", "PYTHONPATH", "DISPLAY"),
        )
    }

    def given(*groups: variables.Group) -> set[str]:
        return set(variables.of_child(environ, *groups))

    assert given() == {"PATH"}
    assert given(variables.GIT) == {"PATH", "GIT_SSL_CAINFO", "GIT_AUTHOR_NAME"}
    assert given(variables.NETWORK) == {"PATH", "HTTPS_PROXY", "all_proxy"}
    assert given(variables.DOCKER) == {"PATH", "DOCKER_HOST", "SSH_AUTH_SOCK"}
    assert given(variables.AZURE, variables.DATABRICKS) == {"PATH", "AZURE_CONFIG_DIR", "DATABRICKS_CONFIG_FILE"}
    assert given(variables.PYTHON, variables.DESKTOP) == {"PATH", "PYTHONPATH", "DISPLAY"}


PACKAGE = Path(variables.__file__).parent
STARTS = {"Popen", "run", "call", "check_call", "check_output", "create_subprocess_exec", "create_subprocess_shell"}
OF_THEIR_OWN = ("starter/", "services/containers/supervisor.py", "practice/launchers/")
"""Programs of their own, which hand on what they were started with: the attendee's project, which the wizard only
writes, and programs whose own start is among those that are looked at."""
STARTS_WITH_ALL = ("system", "popen", "spawn", "exec", "posix_spawn", "startfile", "getoutput", "getstatusoutput")


def starts_of_programs() -> Iterator[tuple[str, str, bool]]:
    """Yield where a program is started, how, and whether it is said which variables it gets."""
    for path in PACKAGE.rglob("*.py"):
        name_here = path.relative_to(PACKAGE).as_posix()
        if name_here.startswith(OF_THEIR_OWN):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            module, name = ast.unparse(node.func.value), node.func.attr
            if (module in {"subprocess", "asyncio"} and name in STARTS and (module, name) != ("asyncio", "run")) or (
                module in {"os", "subprocess"} and name.startswith(STARTS_WITH_ALL)
            ):
                told = any(keyword.arg == "env" for keyword in node.keywords)
                yield f"{name_here}:{node.lineno}", f"{module}.{name}", told


@pytest.mark.slow
def test_wherever_a_program_is_started_it_is_said_which_variables_it_gets() -> None:
    found = list(starts_of_programs())
    places = {place.partition(":")[0] for place, _, _ in found}
    assert {
        "services/git/program.py",
        "services/programs.py",
        "practice/process/launch.py",
        "practice/devops/bare_git.py",
    } <= places
    assert [(place, call) for place, call, told in found if not told] == []
