"""As much of Azure and Databricks as the starter talks to, on loopback: it keeps what it is told."""

from __future__ import annotations

import base64
import json
import re
import threading
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
GROUP = "jane-db-dev"
WORKSPACE = "jane-ml-dev"
ACCOUNT = "janemldabcde"
CONTAINER = "azureml-blobstore-0001"
APP_ID = "99999999-0000-0000-0000-000000000001"
PASSWORD = "the-client-secret"  # noqa: S105  nobody's
ML = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/"
ARM_TOKEN = "token-for-https://management.azure.com/.default"  # noqa: S105  nobody's
STORAGE_TOKEN = "token-for-https://storage.azure.com/.default"  # noqa: S105  nobody's


@dataclass
class Answer:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def refused(status: int, code: str, message: str = "No.") -> Answer:
    return Answer(status, {"error": {"code": code, "message": message}})


class Cloud:
    def __init__(self) -> None:
        self.versions: dict[str, dict[str, dict[str, Any]]] = {}
        self.blobs: dict[str, bytes] = {}
        self.workspace_files: dict[str, tuple[str, bytes]] = {}
        self.requests: list[tuple[str, str]] = []
        self.next_answers: list[tuple[str, Answer | None]] = []
        """The next request whose method and path match gets this answer instead; None loses it on the way."""
        self.run_states: list[dict[str, str]] = [
            {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS", "state_message": ""}
        ]
        self.run_output: dict[str, Any] = {"notebook_output": {"result": '{"r2": 0.005}'}}
        self.submitted: list[dict[str, Any]] = []
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            def handle_all(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = cloud.answer(self.command, self.path, dict(self.headers.items()), body)
                content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = handle_all

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name is given
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """What tells the starter where the services are."""
        return {"ARM_URL": self.url, "STORAGE_BLOB_URL": f"{self.url}/blob/{{account}}"}

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        path, _, asked = target.partition("?")
        path = urllib.parse.unquote(path)
        query = dict(urllib.parse.parse_qsl(asked))
        self.requests.append((method, path))
        for index, (pattern, answer) in enumerate(self.next_answers):
            if re.search(pattern, f"{method} {path}"):
                del self.next_answers[index]
                if answer is not None:
                    return answer
                # It is done, and the answer is lost.
                self.answer(method, target, headers, body)
                return Answer(503, b"")
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        if path.endswith("/oauth2/v2.0/token"):
            form = dict(urllib.parse.parse_qsl(body.decode()))
            if (form["client_id"], form["client_secret"]) != (APP_ID, PASSWORD):
                told = {
                    "error": "invalid_client",
                    "error_description": "AADSTS7000215: Invalid client secret provided.",
                }
                return Answer(401, told)
            return Answer(200, {"access_token": f"token-for-{form['scope']}", "expires_in": 3599})
        if path.startswith("/blob/"):
            return self._blob(method, path, query, token, headers, body)
        if path.startswith("/api/"):
            return self._databricks(path, query, json.loads(body or b"{}"))
        if token != ARM_TOKEN:
            return refused(401, "InvalidAuthenticationToken")
        if "/Microsoft.Databricks/workspaces/" in path:
            return Answer(200, {"properties": {"workspaceUrl": "adb-1.2.azuredatabricks.net"}})
        if not path.startswith(f"{ML}{WORKSPACE}/"):
            return refused(404, "ResourceNotFound")
        return self._ml(method, path.removeprefix(f"{ML}{WORKSPACE}"), query, json.loads(body or b"{}"))

    def _ml(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> Answer:
        datastore = {
            "name": "workspaceblobstore",
            "properties": {
                "datastoreType": "AzureBlob",
                "isDefault": True,
                "accountName": ACCOUNT,
                "containerName": CONTAINER,
                "endpoint": "core.windows.net",
                "protocol": "https",
            },
        }
        if path == "/datastores":
            return Answer(200, {"value": [datastore]})
        if path == "/datastores/workspaceblobstore":
            return Answer(200, datastore)
        found = re.fullmatch(r"/models/([^/]+)/versions(?:/([^/]+))?", path)
        assert found, path
        name, version = found.groups()
        versions = self.versions.setdefault(name, {})
        if method == "PUT":
            if version in versions:
                return refused(409, "UserError", "The version exists.")
            versions[version] = {"name": version, "properties": body["properties"]}
            return Answer(201, versions[version])
        if version:
            return Answer(200, versions[version]) if version in versions else refused(404, "UserError")
        if not versions:
            return refused(404, "UserError", f"Model container {name} not found.")
        start = int(query.get("$skip", "0"))
        page: dict[str, Any] = {"value": list(versions.values())[start : start + 2]}
        if len(versions) > start + 2:
            page["nextLink"] = f"{self.url}{ML}{WORKSPACE}{path}?api-version={query['api-version']}&$skip={start + 2}"
        return Answer(200, page)

    def _blob(
        self, method: str, path: str, query: dict[str, str], token: str, headers: dict[str, str], body: bytes
    ) -> Answer:
        if token != STORAGE_TOKEN or "x-ms-version" not in {name.lower() for name in headers}:
            return Answer(403, b"", {"x-ms-error-code": "AuthenticationFailed"})
        container = f"/blob/{ACCOUNT}/{CONTAINER}"
        assert path.startswith(container), path
        name = path.removeprefix(container).removeprefix("/")
        if query.get("comp") == "list":
            names = sorted(each for each in self.blobs if each.startswith(query["prefix"]))
            start = int(query.get("marker", "0"))
            listed = "".join(f"<Blob><Name>{each}</Name></Blob>" for each in names[start : start + 3])
            marker = str(start + 3) if len(names) > start + 3 else ""
            xml = f"<?xml version='1.0'?><EnumerationResults><Blobs>{listed}</Blobs><NextMarker>{marker}</NextMarker>"
            return Answer(200, f"{xml}</EnumerationResults>".encode())
        if method == "PUT":
            self.blobs[name] = body
            return Answer(201, b"")
        if name not in self.blobs:
            return Answer(404, b"", {"x-ms-error-code": "BlobNotFound"})
        return Answer(200, self.blobs[name])

    def _databricks(self, path: str, query: dict[str, str], body: dict[str, Any]) -> Answer:
        if path == "/api/2.0/workspace/import":
            self.workspace_files[body["path"]] = body["format"], base64.b64decode(body["content"])
        elif path == "/api/2.2/jobs/runs/submit":
            self.submitted.append(body)
            return Answer(200, {"run_id": 7})
        elif path == "/api/2.2/jobs/runs/get":
            state = self.run_states.pop(0) if len(self.run_states) > 1 else self.run_states[0]
            return Answer(200, {"run_id": 7, "state": state, "run_page_url": "https://run", "tasks": [{"run_id": 8}]})
        elif path == "/api/2.2/jobs/runs/get-output":
            assert query["run_id"] == "8"
            return Answer(200, self.run_output)
        return Answer(200, {})
