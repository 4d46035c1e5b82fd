"""Databricks on the wire: pinned clusters and exports, by the vendor's SDK and as others ask."""

from __future__ import annotations

import base64
import io
import json
import os
import zipfile
from typing import Any
from urllib.parse import unquote

import pytest

from tests.practice.conftest import Arm, user_token
from tests.practice.test_databricks import SCOPE, Workspace, make_workspace
from tests.practice_cloud import PracticeCloud

SOURCE = (
    "# Databricks notebook source\n# MAGIC %md\n# MAGIC # Title\n\n# COMMAND ----------\n\nprint('<1>')\n\n"
    "# COMMAND ----------\n\n# MAGIC %sql\n# MAGIC SELECT 1\n"
)
CLUSTER = {
    "cluster_name": "lab",
    "spark_version": "15.4.x-scala2.12",
    "node_type_id": "Standard_D4ds_v5",
    "num_workers": 1,
}


@pytest.fixture
def workspace(practice_cloud: PracticeCloud, arm: Arm) -> Workspace:
    arm.make_group()
    return Workspace(practice_cloud, make_workspace(arm), user_token(practice_cloud, scope=SCOPE))


def put(workspace: Workspace, path: str, content: str | bytes, **more: Any) -> None:
    raw = content.encode() if isinstance(content, str) else content
    body = {"path": path, "content": base64.b64encode(raw).decode(), "language": "PYTHON", "format": "SOURCE", **more}
    workspace.do("POST", "2.0/workspace/import", body)


@pytest.fixture
def notebook(workspace: Workspace) -> str:
    workspace.do("POST", "2.0/workspace/mkdirs", {"path": "/Shared/lab/deep"})
    put(workspace, "/Shared/lab/one", SOURCE)
    put(workspace, "/Shared/lab/deep/two", "# Databricks notebook source\nprint(2)\n")
    put(workspace, "/Shared/lab/data.bin", b"\x00\x01", format="AUTO")
    return "/Shared/lab/one"


def exported(workspace: Workspace, path: str, **query: str) -> tuple[str, bytes]:
    told = workspace.do("GET", "2.0/workspace/export", path=path, **query)
    return told["file_type"], base64.b64decode(told["content"])


def test_a_notebook_is_exported_in_every_format(
    practice_cloud: PracticeCloud, workspace: Workspace, notebook: str
) -> None:
    for query in ({}, {"format": "SOURCE"}, {"format": "AUTO"}):
        assert exported(workspace, notebook, **query) == ("py", SOURCE.encode())
    kind, page = exported(workspace, notebook, format="HTML")
    assert kind == "html"
    assert page.startswith(b"<!DOCTYPE html>")
    assert b"print(&#x27;&lt;1&gt;&#x27;)" in page
    kind, text = exported(workspace, notebook, format="JUPYTER")
    assert kind == "ipynb"
    book = json.loads(text)
    assert (book["nbformat"], book["metadata"]["language_info"]["name"]) == (4, "python")
    assert [(each["cell_type"], "".join(each["source"])) for each in book["cells"]] == [
        ("markdown", "# Title"),
        ("code", "print('<1>')"),
        ("code", "%sql\nSELECT 1"),
    ]
    for wrong in ("DBC", "R_MARKDOWN"):
        assert workspace.error("GET", "2.0/workspace/export", path=notebook, format=wrong)[0] == 400
    practice_cloud.wrong_on_purpose("format=html")
    assert workspace.error("GET", "2.0/workspace/export", path=notebook, format="html") == (
        400,
        "INVALID_PARAMETER_VALUE",
    )


def test_a_file_is_exported_as_it_is(workspace: Workspace, notebook: str) -> None:
    assert exported(workspace, "/Shared/lab/data.bin", format="AUTO") == ("bin", b"\x00\x01")
    assert workspace.error("GET", "2.0/workspace/export", path="/Shared/lab/data.bin", format="HTML")[0] == 400


def test_a_folder_is_exported_as_an_archive(workspace: Workspace, notebook: str) -> None:
    kind, packed = exported(workspace, "/Shared/lab", format="SOURCE")
    assert kind == "zip"
    assert sorted(zipfile.ZipFile(io.BytesIO(packed)).namelist()) == ["lab/deep/two.py", "lab/one.py"]
    _, packed = exported(workspace, "/Shared/lab", format="AUTO")
    archive = zipfile.ZipFile(io.BytesIO(packed))
    assert sorted(archive.namelist()) == ["lab/data.bin", "lab/deep/two.py", "lab/one.py"]
    assert archive.read("lab/data.bin") == b"\x00\x01"
    assert workspace.error("GET", "2.0/workspace/export", path="/Shared/lab", format="HTML")[0] == 400


def test_a_download_is_the_content_itself(workspace: Workspace, notebook: str) -> None:
    """databricks-sdk, `WorkspaceExt.download`."""
    answer = workspace.ask("GET", "2.0/workspace/export", path=notebook, direct_download="true")
    assert answer.content == SOURCE.encode()
    assert answer.headers["Content-Type"].startswith("application/octet-stream")
    assert answer.headers["Content-Disposition"] == "attachment; filename=one.py"


@pytest.mark.parametrize("name", ["two words", 'a"; filename=b', "two\r\nX-Other: lines", "größe"])
def test_a_download_has_any_name(workspace: Workspace, notebook: str, name: str) -> None:
    put(workspace, f"/Shared/lab/{name}", b"mine", format="AUTO")
    answer = workspace.ask("GET", "2.0/workspace/export", path=f"/Shared/lab/{name}", direct_download="true")
    assert (answer.status_code, answer.content) == (200, b"mine")
    assert "X-Other" not in answer.headers
    _, given = answer.headers["Content-Disposition"].split("filename*=UTF-8''")
    assert unquote(given) == name


@pytest.mark.slow
def test_what_is_too_large_is_neither_imported_nor_exported(workspace: Workspace, notebook: str) -> None:
    """databricks-sdk, `WorkspaceAPI.import_` and `ExportResponse.content`: 10 MB, MAX_NOTEBOOK_SIZE_EXCEEDED."""
    put(workspace, "/Shared/lab/large", os.urandom(10 << 20), format="AUTO")
    answer = workspace.ask(
        "GET", "2.0/workspace/export", path="/Shared/lab/large", format="AUTO", direct_download="true"
    )
    assert len(answer.content) == 10 << 20
    larger = {"path": "/Shared/lab/larger", "format": "AUTO", "content": "AAAA" * ((10 << 20) // 3 + 1)}
    refused = (400, "MAX_NOTEBOOK_SIZE_EXCEEDED")
    assert workspace.error("POST", "2.0/workspace/import", larger) == refused
    assert workspace.error("GET", "2.0/workspace/export", path="/Shared/lab", format="AUTO") == refused


def test_a_pinned_cluster_is_terminated_and_stays(workspace: Workspace) -> None:
    """terraform-provider-databricks issue 113 quotes the refusal."""
    cluster = workspace.cluster(CLUSTER)
    identity = {"cluster_id": cluster}
    for _ in range(2):  # "Pinning a cluster that is already pinned will have no effect."
        workspace.do("POST", "2.1/clusters/pin", identity)
    answer = workspace.ask("POST", "2.1/clusters/permanent-delete", identity)
    assert answer.status_code == 400
    assert answer.json() == {
        "error_code": "INVALID_STATE",
        "message": f"Cannot delete pinned cluster {cluster}. Please ask an admin to unpin the cluster first.",
    }
    workspace.do("POST", "2.1/clusters/delete", identity)
    workspace.until(cluster, "TERMINATED")
    listed = workspace.do("GET", "2.1/clusters/list", **{"filter_by.is_pinned": "true"})["clusters"]
    assert [each["cluster_id"] for each in listed] == [cluster]
    workspace.do("POST", "2.1/clusters/unpin", identity)
    workspace.do("POST", "2.1/clusters/permanent-delete", identity)
    assert "clusters" not in workspace.do("GET", "2.1/clusters/list")
