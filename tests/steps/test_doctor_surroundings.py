"""What the doctor says about settings, variables, proxies and directories that others have set; git is a real one."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.doctor import examinations as doctor
from hol_wizard.doctor import surroundings
from hol_wizard.engine.ledger import Ledger
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.reporter import Reporter
from hol_wizard.engine.results import Result, Status
from hol_wizard.lab.profile import Profile
from hol_wizard.paths import Home
from hol_wizard.report import result_lines
from hol_wizard.resources.context import StepContext
from hol_wizard.services.context import Services
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.git.program import run
from hol_wizard.services.identity import LeftOut, Subscription

CANARY = "CANARYxCANARYxCANARY"


@pytest.fixture
def context(tmp_path: Path) -> StepContext:
    return StepContext(
        "doctor/doctor",
        None,
        Profile("default", "azure", tmp_path / "default.toml", flags={"devops_organization": "contoso"}),
        Services(Endpoints.of_cloud("azure"), environ={}),
        ReadCache(),
        Ledger(tmp_path / "ledger.jsonl"),
        Reporter("doctor/doctor", lambda event: None, threading.Event()),
        {},
    )


def git_says(context: StepContext, text: str) -> Result:
    with Path(os.environ["GIT_CONFIG_GLOBAL"]).open("a", encoding="utf-8") as file:
        file.write(text)
    found = surroundings.git_settings(context)
    assert CANARY not in repr(found)
    return found


def test_ordinary_settings_are_not_mentioned(context: StepContext) -> None:
    text = (
        "[credential]\n\thelper = store\n[pull]\n\trebase = true\n[core]\n\teditor = vim\n[commit]\n\tgpgSign = no\n"
        '[push]\n\tdefault = simple\n[http]\n\tsslVerify\n[url "ssh://git@github.com/"]\n'
        "\tinsteadOf = https://github.com/\n"
        f'[http "https://github.com/"]\n\textraHeader = "AUTHORIZATION: basic {CANARY}"\n'
    )
    found = git_says(context, text)
    assert found == Result(Status.PASSED, "No setting of git is in the lab's way.")


@pytest.mark.parametrize(
    ("text", "name", "advice"),
    [
        ("[clone]\n\tdefaultRemoteName = upstream\n", "clone.defaultRemoteName", "--origin origin"),
        ("[push]\n\tpushOption = ci.skip\n", "push.pushOption", "git -c push.pushOption= push"),
        ("[push]\n\tgpgSign = yes\n", "push.gpgSign", "--no-signed"),
        ("[push]\n\tdefault = nothing\n", "push.default", "git push origin BRANCH"),
        ("[commit]\n\tgpgSign\n", "commit.gpgSign", "--no-gpg-sign"),
        ("[core]\n\thooksPath = ~/hooks\n", "core.hooksPath", "--no-verify"),
        ("[protocol]\n\tallow = never\n", "protocol.allow", "protocol.https.allow always"),
        ("[safe]\n\tbareRepository = explicit\n", "safe.bareRepository", ""),
        ("[http]\n\tsslVerify = false\n", "http.sslVerify", "http.sslCAInfo"),
        ('[http "https://dev.azure.com"]\n\tsslVerify = 0\n', "http.https://dev.azure.com.sslVerify", "remove"),
        ('[http "https://*.azure.com"]\n\tproxy = http://p:1\n', "http.https://*.azure.com.proxy", ""),
        (
            f'[http "https://dev.azure.com/"]\n\textraHeader = "AUTHORIZATION: basic {CANARY}"\n',
            "http.https://dev.azure.com/.extraHeader",
            "remove it",
        ),
    ],
)
def test_a_setting_that_is_overruled_or_matters_by_hand_is_named(
    context: StepContext, text: str, name: str, advice: str
) -> None:
    found = git_says(context, text)
    assert found.status is Status.PASSED
    assert found.summary.startswith(f"The wizard works around 1 setting of git. {name} ")
    assert [each.what for each in found.expectations] == [f"{name} ({os.environ['GIT_CONFIG_GLOBAL']})"]
    assert advice in found.next_action
    assert bool(advice) == bool(found.next_action)
    # A command line shows the advice too.
    assert any(advice in line for line in result_lines("doctor/git-settings", found))


def test_only_the_last_value_counts_and_several_settings_are_one_finding(context: StepContext) -> None:
    found = git_says(
        context, "[push]\n\tgpgSign = true\n[push]\n\tgpgSign = false\n\tpushOption = a\n\tpushOption = b\n"
    )
    assert "1 setting of git. push.pushOption " in found.summary


@pytest.mark.parametrize("key", ["insteadOf", "pushInsteadOf"])
def test_a_rewritten_address_is_named_with_the_exception_that_works(
    context: StepContext, key: str, tmp_path: Path
) -> None:
    text = f'[url "https://jane:{CANARY}@ssh.example.invalid/"]\n\t{key} = https://dev.azure.com\n'
    found = git_says(context, text)
    name = f"url.https://…@ssh.example.invalid/.{key}"
    assert f"{name} sends git to another address than https://dev.azure.com/contoso/" in found.summary
    command = found.next_action.partition("to except this address: ")[2]
    words = command.split()
    assert words[:3] == ["git", "config", "--global"]
    assert run(tmp_path, words[1:]).code == 0
    assert run(tmp_path, ["init", "--quiet"]).code == 0
    url = "https://dev.azure.com/contoso/lab/_git/lab"
    assert run(tmp_path, ["remote", "add", "origin", url]).code == 0
    for push in ([], ["--push"]):
        assert run(tmp_path, ["remote", "get-url", *push, "origin"]).text.strip() == url


def test_a_longer_rewriting_setting_is_to_be_removed(context: StepContext) -> None:
    found = git_says(context, '[url "ssh://x/"]\n\tinsteadOf = https://dev.azure.com/contoso/lab\n')
    assert "url.ssh://x/.insteadOf: remove the setting" in found.next_action
    assert "right one" not in found.summary


def test_a_rewriting_setting_of_another_organization_is_not_mentioned(context: StepContext) -> None:
    found = git_says(context, '[url "ssh://x/"]\n\tinsteadOf = https://dev.azure.com/fabrikam/\n')
    assert found.summary == "No setting of git is in the lab's way."


@pytest.mark.parametrize("text", ["[unclosed\n", "[core]\n\tbare = perhaps\n"])
def test_settings_that_git_cannot_read_fail(context: StepContext, text: str) -> None:
    found = git_says(context, text)
    assert found.status is Status.FAILED
    assert "git cannot read its settings" in found.summary
    assert os.environ["GIT_CONFIG_GLOBAL"] in found.summary + found.next_action + found.detail or "bare" in found.detail


def variables_say(context: StepContext, environ: Mapping[str, str]) -> Result:
    services = Services(context.services.endpoints, environ=environ)
    found = surroundings.variables_ignored(environ)(replace(context, services=services))
    assert found.status is Status.PASSED
    assert CANARY not in repr(found)
    return found


@pytest.mark.parametrize(
    ("names", "advice"),
    [
        (("GIT_DIR", "GIT_SSH_COMMAND"), "before you run git"),
        (("GIT_SSL_NO_VERIFY",), "any server that answers"),
        (("GIT_TRACE_CURL", "GIT_CURL_VERBOSE"), "can contain a sign-in"),
        (("DATABRICKS_HOST", "DATABRICKS_CONFIG_PROFILE"), "before you run databricks"),
        (("ARM_CLIENT_ID", "ARM_CLIENT_SECRET"), "before you run databricks"),
        (("SSLKEYLOGFILE",), "can read your sign-in"),
        (("MLFLOW_TRACKING_URI",), "before you run the training"),
        (("COLUMNS", "LINES"), "draws for a wrong size"),
        (("AZURE_CLIENT_ID",), "set all variables of the service principal"),
    ],
)
def test_variables_that_are_ignored_are_named_without_their_values(
    context: StepContext, names: tuple[str, ...], advice: str
) -> None:
    found = variables_say(context, dict.fromkeys((*names, "PATH", "EDITOR", "DATABRICKS_CONFIG_FILE"), CANARY))
    assert {each.what for each in found.expectations} == set(names)
    assert all(name in found.summary and name in found.next_action for name in names)
    assert advice in found.next_action


def test_variables_that_the_wizard_reads_are_not_among_them(context: StepContext) -> None:
    names = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "AZURE_DEVOPS_EXT_PAT", "HOL_WIZARD_PREFIX")
    found = variables_say(context, {**dict.fromkeys(names, CANARY), "GIT_DIR": ""})
    assert found.summary == "No variable that the wizard ignores is in the way of other programs."


def test_a_variable_with_invisible_characters_is_named(context: StepContext) -> None:
    found = variables_say(context, {"HOL_WIZARD_DEVOPS_TOKEN": f"{CANARY}\r", "HOL_WIZARD_PREFIX": " contoso "})
    assert [each.what for each in found.expectations] == ["HOL_WIZARD_DEVOPS_TOKEN"]
    assert "the wizard removes them" in found.summary


@pytest.mark.skipif(os.name == "nt", reason="names are UTF-16 there")
def test_a_folder_whose_name_is_not_utf_8_is_told(context: StepContext, tmp_path: Path) -> None:
    for name, told in (("jos\udce9", True), ("jose", False)):
        home = Home(tmp_path / name, tmp_path / name, tmp_path / name)
        found = {each.key: each for each in doctor.examinations(home, {})}["doctor/folders"].run(context)
        assert found.status is Status.PASSED
        assert ("Its name is not UTF-8" in found.summary) == told


def test_certificates_that_replace_those_of_the_practice_cloud_are_told(context: StepContext, tmp_path: Path) -> None:
    environ = {"GIT_SSL_CAINFO": CANARY}
    assert not variables_say(context, environ).expectations
    local = replace(context.services.endpoints, ca_bundle=tmp_path / "ca.pem")
    found = variables_say(replace(context, services=Services(local)), environ)
    assert "GIT_SSL_CAINFO makes git refuse the practice cloud's certificate" in found.summary
    assert "practice env" in found.next_action


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", *doctor.CERTIFICATES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


def proxy_says(context: StepContext, tmp_path: Path) -> Result:
    home = Home(tmp_path, tmp_path, tmp_path)
    return {each.key: each for each in doctor.examinations(home, {})}["doctor/proxy"].run(context)


def test_a_proxy_is_told_with_what_is_excluded(
    context: StepContext, tmp_path: Path, no_proxies: pytest.MonkeyPatch
) -> None:
    no_proxies.setenv("HTTPS_PROXY", "http://proxy:8080")
    assert proxy_says(context, tmp_path).summary == "In use: HTTPS_PROXY. NO_PROXY is not set."
    no_proxies.setenv("no_proxy", f"localhost, .contoso.com,10.0.0.0/8 ::1,jane:{CANARY}@dev,*")
    found = proxy_says(context, tmp_path)
    assert found.status is Status.PASSED
    hosts = "localhost, .contoso.com, 10.0.0.0/8, ::1, an entry that is not a host, *"
    assert found.summary == f"In use: HTTPS_PROXY. Reached without the proxy: {hosts}."
    assert CANARY not in repr(found)


@pytest.mark.skipif(os.name == "nt", reason="on Windows, the two are one variable")
def test_the_variable_that_requests_use_is_looked_at_and_another_value_is_told(
    context: StepContext, tmp_path: Path, no_proxies: pytest.MonkeyPatch
) -> None:
    no_proxies.setenv("HTTPS_PROXY", "http://proxy:8080")
    no_proxies.setenv("https_proxy", "http://other:8080")
    found = proxy_says(context, tmp_path)
    assert found.passed
    assert "set https_proxy and HTTPS_PROXY to the same value" in found.next_action
    no_proxies.setenv("https_proxy", "nonsense://other:8080")
    assert proxy_says(context, tmp_path).status is Status.FAILED


class Directories:
    """An account that sees subscriptions through these directories."""

    def __init__(self, *tenants: str, left_out: tuple[LeftOut, ...] = ()) -> None:
        self._tenants, self._found = tenants, left_out
        self.left_out: tuple[LeftOut, ...] = ()

    def subscriptions(self) -> list[Subscription]:
        self.left_out = self._found
        return [Subscription(f"id-{each}", each, "Enabled", each) for each in self._tenants]


def directories_say(context: StepContext, identity: Any) -> Result:
    services = Services(context.services.endpoints).replace(identity=identity)
    return surroundings.directories(replace(context, services=services))


def test_directories_that_are_left_out_are_told_with_the_sign_in_for_the_first(context: StepContext) -> None:
    found = directories_say(context, Directories("a", "a", "b"))
    assert found.summary == "The account sees subscriptions in 2 directories; none was left out."
    left = (LeftOut("Contoso", "t-1", "It requires a second factor."), LeftOut("Fabrikam", "t-2", "It is disabled."))
    found = directories_say(context, Directories("a", left_out=left[:1]))
    assert (found.status, found.summary) == (
        Status.PASSED,
        "1 directory was left out. Contoso: It requires a second factor.",
    )
    assert found.next_action.endswith("is in it: sign in to Contoso (<step set-up/sign-in>)<az login t-1>")
    found = directories_say(context, Directories("a", left_out=left))
    assert found.summary.startswith("2 directories were left out. Contoso: ")
    assert found.next_action.endswith(
        "one of them: sign in to Contoso (<step set-up/sign-in>)<az login t-1>; or to Fabrikam<az login t-2>"
    )


def test_several_findings_read_as_sentences(context: StepContext) -> None:
    found = git_says(context, "[push]\n\tpushOption = a\n[core]\n\thooksPath = ~/hooks\n")
    assert found.summary.startswith("The wizard works around 2 settings of git. push.pushOption sends options")
    assert ". core.hooksPath runs hooks" in found.summary
    assert "git -c push.pushOption= push · core.hooksPath: " in found.next_action
