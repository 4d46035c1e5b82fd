"""Secrets: hidden in everything that is stored, and in no program's environment that does not map them."""

from __future__ import annotations

import base64
import json
import logging
from pathlib import Path
from urllib.parse import quote

import pytest

from hol_wizard.practice.pipelines.agent.masking import MASK, Masker
from hol_wizard.practice.pipelines.host import Value
from hol_wizard.practice.pipelines.plan import Note, Step
from tests.practice.agent.bench import PLACE, Bench, job, plan, script, stage, variable

CANARIES = {
    "plain": "canary-plain-81",
    "quote": "canary'quote\"82",
    "double": '"canary-double-83"',
    "percent": "canary%25-84",
    "backslash": "canary\\back-85",
    "lines": "canary-line-86a\ncanary-line-86b",
    "space": "  canary space 87  ",
    "prefix": "canary-88",
    "longer": "canary-88-and-more",
    "json": 'canary{"key": "89"}',
    "url": "canary/url?x=90&y=ü",
    "command": "canary;91]%0A",
}


def leaks(text: str) -> list[str]:
    """Return the canaries in a text, in any form in which a program could have printed them."""
    found = []
    for name, value in CANARIES.items():
        forms = [value, value.strip(), json.dumps(value)[1:-1], quote(value, safe="")]
        forms += [base64.b64encode(value.encode()).decode(), *(each for each in value.splitlines() if len(each) > 3)]
        found += [name for form in forms if form in text]
    return found


def test_the_longest_secret_is_hidden_whole_and_touching_ones_become_one() -> None:
    masker = Masker()
    for each in ("abc", "abcdef", "xyz"):
        masker.add(each)
    assert masker.mask("1 abcdef 2 abcxyz 3 ab") == "1 *** 2 *** 3 ab"


def test_a_secret_has_no_least_length_and_a_password_in_an_address_is_hidden() -> None:
    masker = Masker()
    masker.add("pipeline")
    masker.add("")
    assert masker.mask("runbuild_pipeline.sh") == "runbuild_***.sh"
    assert masker.mask("git clone https://me:hunter2@host/x") == "git clone https://me:***@host/x"
    assert masker.mask("https://host:8080/a@b") == "https://host:8080/a@b"


@pytest.mark.parametrize("name", CANARIES)
def test_every_form_of_a_secret_is_hidden(name: str) -> None:
    masker = Masker()
    masker.add(CANARIES[name])
    value = CANARIES[name]
    for form in (value, value.strip(), json.dumps(value), quote(value, safe=""), repr(value.strip('"'))[1:-1]):
        assert value.strip() not in masker.mask(f"<{form}>")
    assert "***" in masker.mask(base64.b64encode(value.encode()).decode())


@pytest.mark.parametrize("before", ["", "u:", "us:", "usr:"])
def test_a_secret_in_the_middle_of_base64_is_hidden(before: str) -> None:
    masker = Masker()
    masker.add("canary-in-base64-1?>")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        shown = masker.mask(encode(f"{before}canary-in-base64-1?>@after".encode()).decode())
        assert MASK in shown
        left = [
            base64.urlsafe_b64decode(each + "=" * (-len(each) % 4)) for each in shown.split(MASK) if len(each) % 4 != 1
        ]
        assert not any(b"canary" in each or b"base64" in each for each in left)


async def test_a_secret_that_a_job_sets_is_hidden_in_the_next_one(bench: Bench, tmp_path: Path) -> None:
    one, two = "canary-of-line-one", "canary-of-line-two"
    sets = f'echo "##vso[task.setvariable variable=s;isoutput=true;issecret=true]{one}"'
    source = variable("s", "$[dependencies.First.outputs['make.s']]")
    jobs = (
        job(script(sets, name="make"), name="First"),
        job(
            script(f"echo {one}; echo $(s); echo -n 'me:{one}' | base64", display_name="Say $(s)"),
            name="Second",
            depends_on=("First",),
            variables=(source,),
        ),
    )
    bench.host.definition["lines"] = Value(f"{two}\nshort", secret=True)
    await bench.all(plan(stage(*jobs)))
    log = "\n".join(bench.log("Say ***"))
    assert one not in log
    assert "canary" not in base64.b64decode(log.splitlines()[-2].replace(MASK, "") + "==").decode("latin-1")
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or not {one.encode(), two.encode()} & set(file.read_bytes().split()), file


async def test_what_a_plan_notes_is_a_warning_of_the_job(bench: Bench) -> None:
    noted = Note(PLACE, "Schedules are not started in the practice cloud.")
    await bench.all(plan(stage(job(script("true"))), notes=(noted,)))
    record = bench.record("Initialize job")
    assert (record["result"], record["details"]["warningCount"]) == ("succeeded", 1)
    assert str(noted) in record["details"]["issues"][0]["message"]


async def test_twelve_canaries_are_nowhere(bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench.host.groups["vault"] = {name: Value(text, secret=True) for name, text in CANARIES.items()}
    bench.host.vaults["vault"] = "kv"
    mapped = {f"S_{name}".upper(): f"$({name})" for name in CANARIES}
    show = "\n".join(f'printf "%s\\n" "$S_{name.upper()}"' for name in CANARIES)
    errors = "\n".join(f'echo "##vso[task.logissue type=error]about $S_{name.upper()}"' for name in CANARIES)
    python = (
        "import base64, json, os, urllib.parse as u\n"
        "for name, value in os.environ.items():\n"
        "    if name.startswith('S_'):\n"
        "        print(name, json.dumps(value), u.quote(value, safe=''), base64.b64encode(value.encode()).decode())\n"
    )
    code = tmp_path / "show.py"
    code.write_text(python)
    upload = Step("PublishPipelineArtifact@1", PLACE, {"path": "$(Agent.TempDirectory)", "artifactName": "of-$(plain)"})
    with caplog.at_level(logging.DEBUG):
        run = await bench.all(
            plan(
                stage(
                    job(
                        script(f"{show}\nenv\n{errors}", display_name="Show $(plain)", env=mapped),
                        script(f"python3 {code}", display_name="Forms", env=mapped, condition="always()"),
                        script(
                            "echo 'in the script: $(prefix) $(longer) $(url)'",
                            display_name="Macro",
                            condition="always()",
                        ),
                        script("echo '##vso[build.addbuildtag]$(prefix)'", display_name="Tag", condition="always()"),
                        script(
                            "echo '##vso[task.setvariable $(plain)'; echo '##vso[task.nothing]$(plain)'",
                            display_name="Broken",
                            condition="always()",
                        ),
                        upload,
                        script("echo $DERIVED", display_name="Derived", condition="always()"),
                        variables=(variable("derived", "x-$(plain)-x"),),
                    )
                ),
                variables=(variable("vault", None), variable("System.Debug", "true")),
            )
        )
    assert run["result"] == "failed"
    stored = json.dumps([run, bench.records(), [each for each in bench.jobs.of("")]], ensure_ascii=False)
    assert leaks(stored) == []
    for file in (tmp_path / "job-logs").rglob("*.log"):
        assert leaks(file.read_text()) == [], file
    assert leaks("\n".join(str(each) for each in bench.host.published)) == []
    assert leaks(caplog.text) == []
    assert leaks(bench.world.store.dump()) == []
    assert bench.steps()["Show ***"] == "succeeded"
    assert "***" in bench.log("Macro")[-2]
    assert bench.log("Derived")[-2] == ""


async def test_a_crash_of_a_task_names_no_secret(
    bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(context: object) -> None:
        raise RuntimeError("it broke at canary-plain-81")

    monkeypatch.setattr("hol_wizard.practice.pipelines.agent.step_plan.RUNS", {"cmdline@2": crash})
    bench.host.definition["plain"] = Value("canary-plain-81", secret=True)
    await bench.do(script("true", display_name="Crash"))
    assert "##[error]RuntimeError: it broke at ***" in bench.log("Crash")
    assert leaks(caplog.text) == []
    assert "RuntimeError" in caplog.text


async def test_a_secret_reaches_a_program_only_if_its_step_maps_it(bench: Bench) -> None:
    bench.host.definition["hidden"] = Value("canary-plain-81", secret=True)
    await bench.do(
        script('echo "<$HIDDEN> <$COPY> <$SYSTEM_ACCESSTOKEN>"', display_name="Without"),
        script(
            "echo ${#MAPPED} ${#TOKEN}",
            display_name="With",
            env={"MAPPED": "$(hidden)", "TOKEN": "$(System.AccessToken)"},
        ),
        variables=(variable("copy", "a $(hidden)"),),
    )
    assert "<> <> <>" in bench.log("Without")
    assert "15 16" in bench.log("With")
