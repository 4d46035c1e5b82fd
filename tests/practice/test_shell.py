"""`practice env`: what it prints works in real shells, and is taken back without a trace."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hol_wizard import anywhere, variables
from hol_wizard.practice.process import commands, shell

ODD = {
    "PLAIN": "a b",
    "QUOTES": "it's \"quoted\" ''twice''",
    "DOLLAR": "$HOME ${HOME} `id` $(id)",
    "BACKSLASH": "C:\\new\\table\\",
    "SIGNS": "a&b|c;d<e>f(g)!h*i?j~k#l%m%n^o",
    "UNICODE": "Jö ‘Doe’ ‚x‛",
    "EMPTY": "",
    "LEADING": "-n --x",
}
DUMP = f"{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"


def run_in(program: str, script: str, **environ: str) -> dict[str, str]:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    clean = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "LANG": "C.UTF-8", **environ}
    more = ["--no-config"] if program == "fish" else []
    done = subprocess.run(
        [found, *more, "-c", script], env=clean, capture_output=True, text=True, check=True, timeout=60
    )
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(("program", "language"), [("sh", "sh"), ("bash", "sh"), ("zsh", "sh"), ("fish", "fish")])
def test_values_arrive_as_they_are(program: str, language: str) -> None:
    told = shell.lines(language, {**ODD, "GONE": None, "NEVER_THERE": None})
    script = "\n".join([*told, DUMP])
    found = run_in(program, script, GONE="x")
    assert {name: found[name] for name in ODD} == ODD
    assert not {"GONE", "NEVER_THERE"} & set(found)


@pytest.mark.parametrize("program", ["sh", "bash"])
def test_eval_of_all_lines_at_once_works(program: str) -> None:
    told = shell.lines("sh", ODD)
    quoted = "\n".join(told).replace("'", "'\\''")
    script = f"eval \"$(printf '%s\\n' '{quoted}')\"; {DUMP}"
    found = run_in(program, script)
    assert {name: found[name] for name in ODD} == ODD


def test_powershell_quotes_every_kind_of_single_quote() -> None:
    assert shell.lines("powershell", {"A": "it's ‘x’ $env:B `n", "B": None}) == [
        "$env:A = 'it''s ‘‘x’’ $env:B `n'",
        "Remove-Item Env:B -ErrorAction SilentlyContinue",
    ]


def test_cmd_takes_everything_up_to_the_last_quote() -> None:
    assert shell.lines("cmd", {"A": "a&b %PATH%", "B": None}) == ['set "A=a&b %PATH%"', 'set "B="']


@pytest.mark.parametrize("language", shell.SHELLS)
def test_a_value_of_two_lines_is_refused(language: str) -> None:
    with pytest.raises(ValueError, match="the value of A"):
        shell.lines(language, {"A": "x\nrm -rf ~"})


ENDPOINTS = {
    "proxy": "http://practice:SECRET@127.0.0.1:4000",
    "databricks_config_file": "/state/practice/databrickscfg",
    "ca_file": "/state/practice/ca.pem",
    "build": "0123456789abcdef",
}


def test_a_prepared_shell_is_put_back_as_it_was() -> None:
    before = {
        "HTTPS_PROXY": "http://bob:word@proxy.example:3128",
        "NO_PROXY": ".corp.example,.azure.com",
        "AZURE_CONFIG_DIR": "/home/bob/azure",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "user.name",
        "GIT_CONFIG_VALUE_0": "Bob O'Neil",
        "DATABRICKS_TOKEN": "dapi-of-another-workspace",
        "KEPT": "x",
    }
    wanted = shell.settings(ENDPOINTS, Path("/state/practice"), before)
    prepared = {name: value for name, value in {**before, **wanted}.items() if value is not None}
    assert prepared["NO_PROXY"] == "127.0.0.1,localhost,::1"
    assert prepared["GIT_CONFIG_KEY_0"] == "user.name"
    assert prepared["GIT_CONFIG_COUNT"] == "4"
    assert prepared["AZURE_EXTENSION_DIR"] == str(Path("/home/bob/azure/cliextensions"))
    assert "DATABRICKS_TOKEN" not in prepared
    assert variables.before_shell(prepared) is not None
    back = commands.env(Path("/state"), prepared, language="sh", unset=True)
    clean = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
    script = "\n".join([*back, DUMP])
    done = subprocess.run(
        ["/bin/sh", "-c", script], env={**clean, **prepared}, capture_output=True, text=True, check=True, timeout=60
    )
    found = json.loads(done.stdout)
    assert {name: found.get(name) for name in before} == before
    assert not (set(found) & set(wanted)) - set(before)


def test_a_wizard_in_a_prepared_shell_sees_none_of_it() -> None:
    before = {"HTTPS_PROXY": "http://proxy.example:3128", "PATH": "/bin"}
    wanted = shell.settings(ENDPOINTS, Path("/state/practice"), before)
    prepared = {name: value for name, value in {**before, **wanted}.items() if value is not None}
    variables.leave_shell(prepared)
    del prepared[variables.SHELL]
    assert prepared == before


def test_to_prepare_a_shell_twice_is_to_prepare_it_once() -> None:
    before = {"HTTPS_PROXY": "http://proxy.example:3128", "PATH": "/bin"}
    wanted = shell.settings(ENDPOINTS, Path("/state/practice"), before)
    prepared = {name: value for name, value in {**before, **wanted}.items() if value is not None}
    variables.leave_shell(prepared)
    again = shell.settings(ENDPOINTS, Path("/state/practice"), prepared)
    assert again == wanted


@pytest.mark.parametrize("value", ["", "nonsense", "W10=", "eyJBIjogMX0=", "\udcff"])
def test_a_note_that_is_none_is_no_note(value: str) -> None:
    assert variables.before_shell({variables.SHELL: value}) is None


@pytest.mark.skipif(os.name == "nt", reason="paths of another system")
def test_the_browsers_command_is_one_that_python_understands(monkeypatch: pytest.MonkeyPatch) -> None:
    import shlex

    monkeypatch.setattr(sys, "executable", "/home/Jo Doe's/python")
    found = shell.settings(ENDPOINTS, Path("/state/a folder/practice"), {})["BROWSER"]
    assert found is not None
    *start, browse, option, state, address = shlex.split(found)
    assert start == ["/home/Jo Doe's/python", "-P", anywhere.__file__, "hol_wizard.practice"]
    assert [browse, option, state, address] == ["browse", "--state", "/state/a folder/practice", "%s"]


def test_a_module_starts_wherever_the_package_lies(tmp_path: Path) -> None:
    """As git starts the helper for sign-ins: in another folder, without a word of where the package is."""
    clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HOL_WIZARD_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [*anywhere.words("hol_wizard"), "--version"],
        cwd=tmp_path,
        env=clean,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.startswith("hol-wizard ")
