"""Questions of a command: judged before they are taken, on a full terminal and on a simple one."""

from __future__ import annotations

import getpass
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from hol_wizard import prompts
from hol_wizard.errors import UsageError
from hol_wizard.lab.inputs import INPUTS


@contextmanager
def typing(keys: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(prompts, "_terminal", lambda: {"output": DummyOutput()})
    with create_pipe_input() as pipe:
        pipe.send_text(keys)
        with create_app_session(input=pipe, output=DummyOutput()):
            yield


@pytest.mark.parametrize(("keys", "agreed"), [("y", True), ("n", False), ("\r", False)])
def test_only_a_yes_is_a_yes(keys: str, agreed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with typing(keys, monkeypatch):
        assert prompts.confirm("Continue?") is agreed


def test_a_value_that_breaks_its_rule_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with typing("Bad_One\r\x15good-one\r", monkeypatch):
        assert prompts.ask(INPUTS["prefix"]) == "good-one"


def test_what_is_offered_can_be_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with typing("\r", monkeypatch):
        assert prompts.ask(INPUTS["location"], "West Europe") == "westeurope"


@pytest.mark.parametrize(("keys", "value"), [("\r", "single-node"), ("\x1b[B\r", "autoscaling")])
def test_of_a_few_values_one_is_chosen_and_the_default_is_offered(
    keys: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with typing(keys, monkeypatch):
        assert prompts.ask(INPUTS["cluster_size"]) == value


@pytest.mark.parametrize(
    ("lines", "value"), [("\n", "single-node"), ("3\n2\n", "autoscaling"), ("huge\nautoscaling\n", "autoscaling")]
)
def test_on_a_simple_terminal_the_values_are_numbered(
    lines: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    simple(lines, monkeypatch)
    assert prompts.ask(INPUTS["cluster_size"]) == value
    assert "1. Single node, 4 cores (single-node)" in capsys.readouterr().err


def test_ctrl_c_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    with typing("\x03", monkeypatch), pytest.raises(KeyboardInterrupt):
        prompts.ask(INPUTS["alias"])


def simple(lines: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))


def test_a_simple_terminal_is_asked_line_by_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    simple("-wrong-\njane\n", monkeypatch)
    assert prompts.ask(INPUTS["alias"]) == "jane"
    said = capsys.readouterr()
    assert said.out == ""
    assert "\x1b" not in said.err
    assert said.err.count("Alias") == 2


def test_nobody_at_the_terminal_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    simple("", monkeypatch)
    assert prompts.confirm("Continue?") is False
    with pytest.raises(UsageError, match="Alias is missing"):
        prompts.ask(INPUTS["alias"])


LISTED = (("contoso", "contoso"), ("fabrikam", "Fabrikam"))


@pytest.mark.parametrize(
    ("lines", "value"), [("2\n", "fabrikam"), ("northwind\n", "northwind"), ("contoso\n", "contoso")]
)
def test_what_the_cloud_has_is_taken_by_number_or_typed(
    lines: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    simple(lines, monkeypatch)
    assert prompts.ask(INPUTS["devops_organization"], listed=LISTED) == value
    assert "1. contoso\n2. Fabrikam (fabrikam)\n" in capsys.readouterr().err


def test_on_a_full_terminal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with typing("2\r", monkeypatch):
        assert prompts.ask(INPUTS["devops_organization"], listed=LISTED) == "fabrikam"


TOKEN = "canary" + "x7" * 30


def test_a_secret_is_typed_unseen_until_it_keeps_its_rule(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter(["not it", f" {TOKEN} "])
    monkeypatch.setattr("getpass.getpass", lambda question, stream: next(typed))
    given = prompts.ask_secret(INPUTS["devops_token"])
    assert given is not None
    assert given.reveal() == TOKEN
    said = capsys.readouterr()
    assert "not a personal access token" in said.err
    assert TOKEN not in said.err + said.out


def test_a_secret_that_is_there_stays_where_nothing_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def typed(question: str, stream: object) -> str:
        asked.append(question)
        return ""

    monkeypatch.setattr("getpass.getpass", typed)
    assert prompts.ask_secret(INPUTS["devops_token"], "the keyring") is None
    assert "Enter for the one from the keyring" in asked[0]


def test_a_terminal_that_would_show_a_secret_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(question: str, stream: Any) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        return TOKEN

    monkeypatch.setattr("getpass.getpass", shown)
    with pytest.raises(UsageError, match="would show") as raised:
        prompts.ask_secret(INPUTS["devops_token"])
    assert "HOL_WIZARD_DEVOPS_TOKEN or AZURE_DEVOPS_EXT_PAT" in raised.value.hint
