"""What further tasks do: archives, programs, a vault's secrets, a cache."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from hol_wizard.practice.pipelines.agent.tasks import RUNS
from hol_wizard.practice.pipelines.host import Artifact
from hol_wizard.practice.pipelines.tasks import known
from tests.practice.agent.bench import Bench, launcher, script, task


def test_every_task_that_is_known_does_something() -> None:
    on_agents = {each.reference.lower() for each in known().values() if not each.server}
    assert set(RUNS) == on_agents | {"download@1"}


@pytest.mark.parametrize(("kind", "name"), [("zip", "a.zip"), ("tar", "a.tar.gz")])
async def test_files_are_packed_and_unpacked(bench: Bench, kind: str, name: str) -> None:
    run = await bench.do(
        script("mkdir -p in/d; echo 1 > in/a; echo 2 > in/d/b"),
        task("ArchiveFiles@2", "Whole", rootFolderOrFile="in", archiveType=kind, archiveFile=f"w/{name}"),
        task(
            "ArchiveFiles@2",
            "Inner",
            rootFolderOrFile="in",
            includeRootFolder="false",
            archiveType=kind,
            archiveFile=f"i/{name}",
        ),
        task("ExtractFiles@1", "Out", archiveFilePatterns=f"w/{name}", destinationFolder="out"),
        task(
            "ExtractFiles@1",
            "More",
            archiveFilePatterns=f"i/{name}",
            destinationFolder="out",
            cleanDestinationFolder="false",
        ),
        script("cd out; find . -type f | sort", display_name="Look"),
        task(
            "ExtractFiles@1",
            "Again",
            archiveFilePatterns=f"i/{name}",
            destinationFolder="out",
            cleanDestinationFolder="false",
        ),
    )
    assert bench.log("Look")[-5:-1] == ["./a", "./d/b", "./in/a", "./in/d/b"]
    assert (run["result"], bench.steps()["Again"]) == ("failed", "failed")


async def test_an_archive_cannot_write_outside_of_its_folder(bench: Bench, tmp_path: Path) -> None:
    evil = tmp_path / "evil.tar"
    with tarfile.open(evil, "w") as made:
        entry = tarfile.TarInfo("../../escaped")
        entry.size = 1
        made.addfile(entry, io.BytesIO(b"x"))
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as packed:
        packed.writestr("../../escaped", "x")
    await bench.do(
        script(f"cp {evil} {tmp_path}/evil.zip ."),
        task("ExtractFiles@1", "Zip", archiveFilePatterns="evil.zip", destinationFolder="deep/out"),
        script("find . -name escaped", display_name="Look"),
        task("ExtractFiles@1", "Tar", archiveFilePatterns="evil.tar", destinationFolder="deep/out"),
    )
    assert bench.log("Look")[-2] == "./deep/out/escaped"
    assert bench.steps()["Tar"] == "failed"


async def test_files_are_deleted_by_patterns_without_those_with_a_dot(bench: Bench) -> None:
    await bench.do(
        script("mkdir -p d/e; touch d/a.x d/b.y d/.c.x d/e/f.x"),
        task("DeleteFiles@1", SourceFolder="d", Contents="**/*.x"),
        script("find d | sort", display_name="Look"),
        task("DeleteFiles@1", "Gone", SourceFolder="nowhere", Contents="*"),
    )
    assert bench.log("Look")[-5:-1] == ["d", "d/.c.x", "d/b.y", "d/e"]
    assert bench.steps()["Gone"] == "succeeded"


async def test_python_runs_inline_and_from_a_file(bench: Bench) -> None:
    await bench.do(
        script("echo 'import sys; print(sys.argv[1:])' > x.py"),
        task("PythonScript@0", "Inline", scriptSource="inline", script="print(6 * 7)"),
        task("PythonScript@0", "File", scriptPath="x.py", arguments="a 'b c'"),
        task("PythonScript@0", "Bad", scriptSource="inline", script="raise SystemExit(5)"),
    )
    assert "42" in bench.log("Inline")
    assert "['a', 'b c']" in bench.log("File")
    assert any("failed with exit code 5" in line for line in bench.log("Bad"))


async def test_powershell_needs_its_program_and_gets_the_preferences(bench: Bench, tmp_path: Path) -> None:
    launcher(tmp_path / "launchers", "pwsh", "for last; do :; done; file=${last#. \\'}; cat \"${file%\\'}\"; exit 3")
    bench.host.launcher_folder = tmp_path / "launchers"
    await bench.do(task("PowerShell@2", targetType="inline", script="Write-Host hi"))
    log = bench.log("It")
    assert {"$ErrorActionPreference = 'stop'", "$ProgressPreference = 'silentlyContinue'", "Write-Host hi"} <= set(log)
    assert "##[error]PowerShell exited with code '3'." in log


async def test_docker_builds_and_pushes_each_tag(bench: Bench, tmp_path: Path) -> None:
    launcher(tmp_path / "launchers", "docker", 'echo "ran: $*"')
    bench.host.launcher_folder = tmp_path / "launchers"
    await bench.do(
        script("mkdir app; touch app/Dockerfile"),
        task("Docker@2", repository="r/x", tags="1\n2", command="buildAndPush"),
        task("Docker@2", "Connected", containerRegistry="c"),
    )
    ran = [line for line in bench.log("It") if line.startswith("ran: ")]
    assert ran[0].startswith("ran: build -f ")
    assert ran[0].endswith("/app/Dockerfile -t r/x:1 -t r/x:2 " + ran[0].split("-f ")[1].split("/Dockerfile")[0])
    assert ran[1:] == ["ran: push r/x:1", "ran: push r/x:2"]
    assert bench.steps()["Connected"] == "failed"


async def test_secrets_of_a_vault_become_secret_variables(bench: Bench) -> None:
    await bench.do(
        task("AzureKeyVault@2", "Nothing", ConnectedServiceName="c", KeyVaultName="kv", SecretsFilter=", ,"),
        task("AzureKeyVault@2", ConnectedServiceName="c", KeyVaultName="kv", SecretsFilter="one, two"),
        script("echo $(two) ${#V}", display_name="Look", env={"V": "$(one)"}),
    )
    assert "*** 12" in bench.log("Look")
    assert "Downloading secret value for: one." in bench.log("It")
    assert not any("Downloading" in each for each in bench.log("Nothing"))


async def test_secrets_can_be_there_before_the_job(bench: Bench) -> None:
    await bench.do(
        script("echo ${#V}", display_name="Look", env={"V": "$(one)"}),
        task("AzureKeyVault@2", ConnectedServiceName="c", KeyVaultName="kv", SecretsFilter="one", RunAsPreJob="true"),
    )
    assert list(bench.steps())[:3] == ["Initialize job", "Pre-job: It", "Look"]
    assert "12" in bench.log("Look")


async def test_a_cache_is_always_missed_and_says_so(bench: Bench) -> None:
    await bench.do(
        task("Cache@2", key="k", path="p", cacheHitVar="HIT"), script("echo hit=$(HIT)", display_name="Look")
    )
    assert bench.record("It")["details"]["warningCount"] == 1
    assert "hit=false" in bench.log("Look")


async def test_build_artifacts_are_downloaded_to_a_folder_with_their_name(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    (folder / "d").mkdir(parents=True)
    (folder / "d" / "f").write_text("x")
    bench.host.published[1, "drop"] = Artifact("drop", "Container", folder)
    await bench.do(
        task("DownloadBuildArtifacts@1", artifactName="drop"),
        task("DownloadPipelineArtifact@1", "One", artifactName="drop", targetPath="to"),
        script(
            "cd $(System.ArtifactsDirectory); find . -type f; cd $(Pipeline.Workspace); find to -type f",
            display_name="Look",
        ),
    )
    assert bench.log("Look")[-3:-1] == ["./drop/d/f", "to/drop/d/f"]
