"""The launchers' own rules: which options they know, which names they replace, what they do not find."""

from __future__ import annotations

from pathlib import Path

import pytest

from hol_wizard.practice.launchers import Settings, az_command, docker_command, without_engine
from hol_wizard.practice.launchers.without_engine.command_line import MARK

NAMES = {"acr.azurecr.io": "127.0.0.1:5000", "labacr.azurecr.io": "127.0.0.1:50001"}


@pytest.mark.parametrize(
    ("written", "here"),
    [
        ("labacr.azurecr.io/app:1", "127.0.0.1:50001/app:1"),
        ("BASE=acr.azurecr.io/base/python@sha256:1", "BASE=127.0.0.1:5000/base/python@sha256:1"),
        ("otheracr.azurecr.io/app", "otheracr.azurecr.io/app"),
        ("other-acr.azurecr.io/app", "other-acr.azurecr.io/app"),
    ],
)
def test_only_whole_names_of_registries_are_replaced(written: str, here: str) -> None:
    assert docker_command.replaced(written, NAMES) == here
    assert docker_command.replaced(here, {address: name for name, address in NAMES.items()}) == written


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("acr show --name x --resource-group y", "no argument --resource-group of az acr show, only --name, "),
        ("acr import -n x --source y -t a:1 -t b:1", "the practice az takes --image once"),
        ("account clear extra", "no argument extra of az account clear"),
        ("version --query [0].id", "no --query with more than names and dots: [0].id"),
        ("version -o yaml", "no --output yaml, only json, tsv, table, none"),
    ],
)
def test_the_practice_az_ignores_no_option(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert az_command.run(words.split()) == 2
    assert said in capsys.readouterr().err


def test_a_letter_has_the_meaning_of_its_command() -> None:
    assert az_command.Options(("acr", "import"), ["-t", "base/python:1"]).values == {"--image": "base/python:1"}
    assert az_command.Options(("login",), ["-t", "home"]).values == {"--tenant": "home"}


def test_what_does_not_exist_is_removed_only_by_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    for words in (["build", "--tag", "app", str(tmp_path)], ["create", "--name", "one", "app", "python"]):
        assert without_engine.run(words, Settings()) == 0
    capsys.readouterr()
    for words, missing in ((["rm"], "container: one"), (["image", "rm"], "image: app")):
        name = missing.rpartition(" ")[2]
        assert [without_engine.run([*words, name], Settings()) for _ in range(2)] == [0, 1]
        said = f"{MARK} Error response from daemon: No such {missing}\n"
        assert capsys.readouterr().err == said
        assert without_engine.run([*words, "--force", name], Settings()) == 0
        assert capsys.readouterr().err == said


def test_a_name_without_a_tag_is_the_tag_latest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "dockerfile").write_text("FROM scratch\n", encoding="utf-8")

    def ok(*words: str) -> str:
        assert without_engine.run(words, Settings()) == 0
        return capsys.readouterr().out

    ok("build", "--tag", "app:1", "--label", "number=1", str(tmp_path))
    ok("build", "--tag", "app:2", "--label", "number=2", str(tmp_path))
    ok("tag", "app:1", "app")
    assert ok("inspect", "--format", "{{json .RepoTags}}", "app:1") == '["app:1", "app:latest"]\n'
    ok("tag", "app:2", "app:latest")
    assert ok("inspect", "--format", "{{.Config.Labels.number}}", "app") == "2\n"


@pytest.mark.parametrize("identity", ["sha256:", "sha256:..", "sha256:../../outside"])
def test_only_an_id_names_an_image_without_a_name(
    identity: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    (tmp_path / "outside").mkdir()
    assert without_engine.run(["build", "--iidfile", str(tmp_path / "id"), str(tmp_path)], Settings()) == 0
    assert without_engine.run(["rmi", identity], Settings()) == 1
    assert f"No such image: {identity}\n" in capsys.readouterr().err
    assert (tmp_path / "outside").is_dir()
    for code in (0, 1):
        assert without_engine.run(["rmi", (tmp_path / "id").read_text(encoding="utf-8")], Settings()) == code
