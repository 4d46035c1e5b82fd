"""A proxy's name and password are nowhere in what the wizard says or keeps, however its variable is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOST = "127.0.0.1:9"
NAME, FIRST, SECOND = "bobcanary", "CANARY7", "xq9wv2"
"""A name, and a password in two pieces, between which stands what a parser breaks a value at."""

READABLE = {
    "plain": f"http://{NAME}:{FIRST}{SECOND}@{HOST}",
    "encoded": f"http://{NAME}:%43ANARY7%40{SECOND}@{HOST}",
    "without-a-scheme": f"{NAME}:{FIRST}@{HOST}",
    "token-alone": f"http://{FIRST}@{HOST}",
}
BROKEN = {
    "port-too-high": f"http://{NAME}:{FIRST}@127.0.0.1:99999",
    "slash": f"http://{NAME}:{FIRST}/{SECOND}@{HOST}",
    "hash": f"http://{NAME}:{FIRST}#{SECOND}@{HOST}",
    "question-mark": f"http://{NAME}:{FIRST}?{SECOND}@{HOST}",
    "at": f"http://{NAME}:{FIRST}@{SECOND}@{HOST}",
    "bracket": f"http://{NAME}:{FIRST}[{SECOND}@{HOST}",
    "space": f"http://{NAME}:{FIRST} {SECOND}@{HOST}",
    "backslash": f"http://DOMAIN\\{NAME}:{FIRST}\\{SECOND}@{HOST}",
    "percent": f"http://{NAME}:{FIRST}%{SECOND}@{HOST}",
    "no-host": f"http://{NAME}:{FIRST}",
    "no-host-after-at": f"http://{NAME}:{FIRST}@",
    "unknown-scheme": f"socks9://{NAME}:{FIRST}@{HOST}",
    "not-ascii": f"http://{NAME}:{FIRST}ü{SECOND}@{HOST}",
}
CASES = [
    *((name, form, True) for name in ("HTTPS_PROXY", "all_proxy") for form in READABLE),
    *(("HTTPS_PROXY", form, False) for form in BROKEN),
    *((name, "slash", False) for name in ("https_proxy", "ALL_PROXY", "all_proxy")),
]


def said_and_kept(folder: Path, words: list[str], **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {"HOL_WIZARD_HOME": str(folder), "HOL_WIZARD_DEBUG": "1", **variables}
    done = subprocess.run(
        [sys.executable, "-m", "hol_wizard", *words],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=100,
    )
    return done.stdout + "".join(
        file.read_text(encoding="utf-8", errors="replace") for file in sorted(folder.rglob("*")) if file.is_file()
    )


@pytest.mark.slow
@pytest.mark.parametrize(("name", "form", "readable"), CASES, ids=[f"{name}-{form}" for name, form, _ in CASES])
def test_nothing_of_a_proxys_sign_in_is_said_or_kept(tmp_path: Path, name: str, form: str, *, readable: bool) -> None:
    value = {**READABLE, **BROKEN}[form]
    said = said_and_kept(tmp_path, ["doctor", "--format", "json"], **{name: value})
    for piece in (NAME, FIRST, SECOND, "%43ANARY7", "ANARY7"):
        assert piece.lower() not in said.lower()
    assert "internal error" not in said
    report = json.loads(said[said.index("{") : said.rindex("\n}\n") + 2])
    rows = {each["name"]: each for each in report["results"]}
    assert rows["doctor/proxy"]["status"] == ("passed" if readable else "failed")
    if not readable:
        assert "Percent-encode the name and the password" in rows["doctor/proxy"]["next_action"]
        assert "Percent-encode the name and the password" in rows["doctor/network"]["next_action"]


@pytest.mark.slow
def test_a_sign_in_among_the_hosts_without_proxy_is_not_said(tmp_path: Path) -> None:
    said = said_and_kept(
        tmp_path, ["doctor"], NO_PROXY=f"{NAME}:{FIRST}@{HOST},127.0.0.1", HTTPS_PROXY=f"http://{HOST}"
    )
    assert FIRST not in said
    assert NAME not in said


@pytest.mark.slow
@pytest.mark.parametrize("words", [["--check", "set-up"], ["solve", "resource-groups", "--yes"], ["cost"]])
def test_other_commands_say_nothing_of_it_either(tmp_path: Path, words: list[str]) -> None:
    names = {"HOL_WIZARD_PREFIX": "contoso", "HOL_WIZARD_LOCATION": "westeurope", "HOL_WIZARD_ALIAS": "alex"}
    said = said_and_kept(tmp_path, words, HTTPS_PROXY=BROKEN["slash"], **names)
    for piece in (NAME, FIRST, SECOND):
        assert piece.lower() not in said.lower()
