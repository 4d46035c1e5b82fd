"""Models in the registry of an Azure Machine Learning workspace: register a folder, find it again, download it.

This module uses the workspace's own REST interface and only Python's standard library, so it works unchanged in a
Databricks notebook, in the pipeline and on your machine. A registered model is three things:

1. files in the workspace's default datastore, which is a container of its storage account
2. a *version* of a model, which is an entry that points to these files
3. tags on the version, which are used to find it

To register a model, an account needs the role AzureML Data Scientist on the workspace and Storage Blob Data Contributor
on its storage account. To download one, it needs the same first role, and Storage Blob Data Reader.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

ML_API_VERSION = "2025-12-01"
STORAGE_API_VERSION = "2023-11-03"
TIMEOUT = 60
"""Timeout for one request, in seconds."""
TRIES = 5
"""How many times a request is sent if the service is too busy."""
BUSY = {408, 429, 500, 502, 503, 504}
ARM = "https://management.azure.com"
STORAGE = "https://storage.azure.com"


FETCHED = ".fetched"
"""File in the folder with a model's files: lists which of them were downloaded, one path per line."""


class RegistryError(Exception):
    """An operation failed; the message says which one, and what to do about it."""


class ServiceError(RegistryError):
    """A service refused a request."""

    def __init__(self, message: str, status: int, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Services:
    """The addresses of the services. The defaults are those of Azure's public cloud."""

    arm_url: str = ARM
    arm_audience: str = ARM
    """Audience of the tokens for Azure Resource Manager."""
    blob_url: str = ""
    """Address of a storage account, with `{account}` instead of its name; if empty, the datastore's address is used."""

    @property
    def management_audience(self) -> str:
        """Audience of the token with which Databricks recognizes a service principal: the older name of ARM."""
        if self.arm_audience == ARM:
            return "https://management.core.windows.net/"
        return self.arm_audience.replace("://management.", "://management.core.") + "/"

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Services:
        """Return the addresses from the environment variables ARM_URL, ARM_AUDIENCE and STORAGE_BLOB_URL."""
        arm_url = environment.get("ARM_URL", "").rstrip("/") or ARM
        return cls(
            arm_url=arm_url,
            arm_audience=environment.get("ARM_AUDIENCE", "").rstrip("/") or ARM,
            blob_url=environment.get("STORAGE_BLOB_URL", "").rstrip("/"),
        )


@dataclass(frozen=True)
class Workspace:
    """An Azure Machine Learning workspace."""

    subscription_id: str
    resource_group: str
    name: str

    @property
    def path(self) -> str:
        """Its resource ID."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.name}"
        )

    @property
    def datastores(self) -> str:
        """Prefix of the addresses of files in its datastores."""
        return (
            f"azureml://subscriptions/{self.subscription_id}/resourcegroups/{self.resource_group}"
            f"/workspaces/{self.name}/datastores/"
        )


@dataclass(frozen=True)
class Version:
    """One version of a registered model."""

    name: str
    version: str
    tags: dict[str, str]
    uri: str
    """Address of its folder: `azureml://…/datastores/NAME/paths/PATH`."""


class SignIn(Protocol):
    """An identity that can authenticate."""

    def token(self, audience: str) -> str:
        """Return an access token for a service.

        Raises:
            RegistryError: The sign-in was refused.
        """


@dataclass
class ServicePrincipal:
    """A service principal that signs in with its client secret."""

    app_id: str
    password: str = field(repr=False)
    token_endpoint: str
    """`https://login.microsoftonline.com/TENANT/oauth2/token`, as the secret sp-token-endpoint has it."""
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict, repr=False)

    def token(self, audience: str) -> str:
        """Return an access token; one that is valid for at least five more minutes is reused."""
        token, ends = self._tokens.get(audience, ("", 0.0))
        if time.monotonic() > ends - 300:
            # The secret contains version 1 of the endpoint, which Spark's driver needs; this is version 2.
            url = re.sub(r"/oauth2(/v2\.0)?/token/?$", "/oauth2/v2.0/token", self.token_endpoint)
            body = {
                "grant_type": "client_credentials",
                "client_id": self.app_id,
                "client_secret": self.password,
                "scope": f"{audience}/.default",
            }
            answer = json.loads(send("POST", url, body=urllib.parse.urlencode(body).encode(), what="sign in"))
            token, ends = answer["access_token"], time.monotonic() + int(answer["expires_in"])
            self._tokens[audience] = token, ends
        return token


class AzureCli:
    """The account that is signed in to the Azure CLI."""

    def __init__(self) -> None:
        self._tokens: dict[str, tuple[str, float]] = {}

    def token(self, audience: str) -> str:
        """Return an access token from `az account get-access-token`; one valid for five more minutes is reused."""
        token, ends = self._tokens.get(audience, ("", 0.0))
        if time.time() > ends - 300:
            program = shutil.which("az")
            if program is None:
                raise RegistryError("The Azure CLI is not installed: see https://aka.ms/azure-cli.")
            asked = [program, "account", "get-access-token", "--resource", audience, "--output", "json"]
            done = subprocess.run(asked, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                told = done.stderr.strip().splitlines()
                raise RegistryError(
                    f"The Azure CLI gave no token: {told[0] if told else 'it said nothing'}. Try: az login"
                )
            answer = json.loads(done.stdout)
            # Older versions report the expiry only as local time: they are asked again after ten minutes.
            token, ends = str(answer["accessToken"]), float(answer.get("expires_on") or time.time() + 900)
            self._tokens[audience] = token, ends
        return token


@dataclass
class GivenTokens:
    """An identity with given tokens, for example from the wizard."""

    tokens: Mapping[str, str] = field(repr=False)

    def token(self, audience: str) -> str:
        """Return the token for this service."""
        if not self.tokens.get(audience):
            raise RegistryError(f"There is no token for {audience}.")
        return self.tokens[audience]


def sign_in_of(environment: Mapping[str, str]) -> SignIn:
    """Return the identity that the environment variables describe.

    ARM_ACCESS_TOKEN and STORAGE_ACCESS_TOKEN are tokens; AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET
    describe a service principal. If neither is set, it is the account that is signed in to the Azure CLI.
    """
    if environment.get("ARM_ACCESS_TOKEN"):
        services = Services.of(environment)
        return GivenTokens(
            {
                services.arm_audience: environment["ARM_ACCESS_TOKEN"],
                STORAGE: environment.get("STORAGE_ACCESS_TOKEN", ""),
            }
        )
    principal = [environment.get(f"AZURE_{name}", "") for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET")]
    if all(principal):
        authority = environment.get("AZURE_AUTHORITY_HOST", "").rstrip("/") or "https://login.microsoftonline.com"
        tenant, app_id, password = principal
        return ServicePrincipal(app_id, password, f"{authority}/{tenant}/oauth2/token")
    return AzureCli()


class Registry:
    """The models of one workspace."""

    def __init__(self, workspace: Workspace, sign_in: SignIn, services: Services | None = None) -> None:
        self.workspace = workspace
        self._sign_in = sign_in
        self._services = services or Services()

    def register(self, name: str, folder: Path, tags: Mapping[str, str]) -> Version:
        """Upload the files of a folder, and register them as the next version of a model.

        The files go to a new path each time: a run that is interrupted leaves files that nothing points to, and never
        an incomplete model.

        Raises:
            RegistryError: It could not be done.
        """
        datastore, container = self._default_datastore()
        place = f"models/{name}/{uuid.uuid4().hex}"
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        if not files:
            raise RegistryError(f"There is nothing to register: {folder} is empty.")
        for file in files:
            self._upload(container, f"{place}/{file.relative_to(folder).as_posix()}", file.read_bytes())
        properties = {
            "modelType": "custom_model",
            "modelUri": f"{self.workspace.datastores}{datastore}/paths/{place}",
            "tags": dict(tags),
        }
        for _ in range(TRIES):
            number = self._next_version(name)
            path = f"/models/{name}/versions/{number}"
            try:
                answer = self._arm("PUT", path, {"properties": properties}, what=f"register version {number} of {name}")
            except ServiceError as error:
                # A version is never overwritten: if a number is in use, the service says so in one of several ways.
                registered = self._registered(path) if error.status in {400, 409} else None
                if registered is None:
                    raise
                if registered["properties"].get("modelUri") != properties["modelUri"]:
                    continue
                answer = registered
            return _version(name, answer)
        raise RegistryError(f"Others register {name} all the time; no free version was found in {TRIES} tries.")

    def newest(self, name: str, tags: Mapping[str, str]) -> Version:
        """Return the newest version that has all these tags.

        Raises:
            RegistryError: There is none, or the service could not be asked.
        """
        versions = list(self._versions(name))
        fitting = [each for each in versions if tags.items() <= each.tags.items()]
        if not fitting:
            wanted = " and ".join(f"{tag}={value}" for tag, value in tags.items())
            seen = sorted({", ".join(f"{tag}={each.tags.get(tag, '')}" for tag in tags) for each in versions})
            known = f"Its versions have: {'; '.join(seen)}." if seen else "It has not been registered at all."
            raise RegistryError(
                f"There is no model {name} with {wanted} in {self.workspace.name}. {known} "
                "Has the training been run? Are STATE and AUTHOR right?"
            )
        return max(fitting, key=lambda each: (len(each.version), each.version))

    def fetch(self, version: Version, folder: Path) -> list[Path]:
        """Download the files of a version into a folder, and return them; files of an earlier download are removed.

        Raises:
            RegistryError: The download failed, or the folder contains something that was not downloaded.
        """
        _see_that_all_was_fetched(folder)
        found = re.fullmatch(r"azureml://.*/datastores/([^/]+)/paths/(.+)", version.uri.rstrip("/"))
        if not found:
            raise RegistryError(f"Version {version.version} of {version.name} points to no datastore: {version.uri}")
        datastore, place = found.groups()
        container = self._container(
            self._arm("GET", f"/datastores/{datastore}", what=f"read the datastore {datastore}")
        )
        names = [name for name in self._list(container, f"{place}/") if not name.endswith("/")]
        if not names:
            raise RegistryError(f"Version {version.version} of {version.name} has no files at {version.uri}.")
        if folder.exists():
            shutil.rmtree(folder)
        files = []
        for name in names:
            inside = PurePosixPath(name).relative_to(place)
            if ".." in inside.parts or inside.is_absolute():
                raise RegistryError(f"{name} would be written outside of {folder}.")
            file = folder / inside
            file.parent.mkdir(parents=True, exist_ok=True)
            # Recorded first, so that an interrupted run leaves no file that is not recorded.
            files.append(file)
            noted = "".join(f"{each.relative_to(folder).as_posix()}\n" for each in files)
            (folder / FETCHED).write_text(noted, encoding="utf-8")
            file.write_bytes(self._blob("GET", f"{container}/{_quoted(name)}", what=f"download {inside}"))
        return files

    def tracking_uri(self) -> str:
        """Return the MLflow tracking address of this workspace: `azureml://REGION.api.azureml.ms/mlflow/…`.

        Raises:
            RegistryError: The service could not be asked.
        """
        found = self._arm("GET", "", what=f"read the ML workspace {self.workspace.name}")
        return str(found["properties"]["mlFlowTrackingUri"])

    def _registered(self, path: str) -> dict[str, Any] | None:
        """Return the version at a path, or None if it does not exist."""
        try:
            return self._arm("GET", path, what="look at the version")
        except ServiceError as error:
            if error.status != 404:
                raise
            return None

    def _versions(self, name: str, *, archived: bool = False) -> Iterator[Version]:
        path = f"/models/{name}/versions"
        query = {"listViewType": "All" if archived else "ActiveOnly"}
        url = ""
        while True:
            try:
                page = self._arm("GET", path, what=f"list the versions of {name}", query=query, url=url)
            except ServiceError as error:
                if error.status != 404:
                    raise
                # No such model, or no such workspace. In the latter case, reading its datastore raises an error.
                self._default_datastore()
                return
            yield from (_version(name, each) for each in page.get("value", []))
            url = page.get("nextLink") or ""
            if not url:
                return

    def _next_version(self, name: str) -> int:
        # Archived versions keep their numbers.
        numbers = [int(each.version) for each in self._versions(name, archived=True) if each.version.isdecimal()]
        return max(numbers, default=0) + 1

    def _default_datastore(self) -> tuple[str, str]:
        """Return the name of the default datastore, and the address of its container."""
        found = self._arm("GET", "/datastores", what="find the default datastore", query={"isDefault": "true"})
        for each in found.get("value", []):
            if each["properties"].get("isDefault", True):
                return each["name"], self._container(each)
        raise RegistryError(f"The workspace {self.workspace.name} has no default datastore.")

    def _container(self, datastore: Mapping[str, Any]) -> str:
        properties = datastore["properties"]
        if properties.get("datastoreType") != "AzureBlob":
            raise RegistryError(f"The datastore {datastore['name']} is no container of blobs.")
        account = properties["accountName"]
        protocol, endpoint = properties.get("protocol") or "https", properties.get("endpoint") or "core.windows.net"
        default = f"{protocol}://{account}.blob.{endpoint}"
        url = self._services.blob_url.replace("{account}", account) or default
        return f"{url}/{properties['containerName']}"

    def _upload(self, container: str, name: str, content: bytes) -> None:
        headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": "application/octet-stream"}
        self._blob("PUT", f"{container}/{_quoted(name)}", headers, content, what=f"upload {PurePosixPath(name).name}")

    def _list(self, container: str, prefix: str) -> Iterator[str]:
        marker = ""
        while True:
            query = {"restype": "container", "comp": "list", "prefix": prefix, "marker": marker}
            asked = urllib.parse.urlencode({key: value for key, value in query.items() if value})
            page = ElementTree.fromstring(self._blob("GET", f"{container}?{asked}", what="list the model's files"))
            for each in page.iter("Name"):
                yield each.text or ""
            marker = page.findtext("NextMarker") or ""
            if not marker:
                return

    def _arm(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        what: str,
        query: Mapping[str, str] | None = None,
        url: str = "",
    ) -> dict[str, Any]:
        asked = urllib.parse.urlencode({"api-version": ML_API_VERSION, **(query or {})})
        url = url or f"{self._services.arm_url}{self.workspace.path}{path}?{asked}"
        if not url.startswith(f"{self._services.arm_url}/"):
            raise RegistryError("Azure Resource Manager continues a list elsewhere; no token is sent there.")
        headers = {"Authorization": f"Bearer {self._sign_in.token(self._services.arm_audience)}"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        hint = f"It needs the role AzureML Data Scientist on {self.workspace.name}."
        answer = send(method, url, headers, content, what=what, hint=hint)
        return dict(json.loads(answer)) if answer else {}

    def _blob(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None, *, what: str
    ) -> bytes:
        wanted = "Contributor" if method == "PUT" else "Reader"
        hint = f"It needs the role Storage Blob Data {wanted} on the ML workspace's storage account."
        sent = {"Authorization": f"Bearer {self._sign_in.token(STORAGE)}", "x-ms-version": STORAGE_API_VERSION}
        return send(method, url, {**sent, **(headers or {})}, body, what=what, hint=hint)


def check_digests(folder: Path) -> dict[str, Any]:
    """Return the contents of `model.json`, after verifying the other files against it.

    Raises:
        RegistryError: A file is missing, or is not the one that was registered.
    """
    note = folder / "model.json"
    if not note.is_file():
        raise RegistryError(f"The model has no {note.name}: it was not registered by train_model.")
    about = json.loads(note.read_text(encoding="utf-8"))
    for name, digest in about["files"].items():
        file = folder / name
        if not file.is_file():
            raise RegistryError(f"The model has no {name}.")
        if hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            raise RegistryError(f"{name} is not the file that was registered; it is not used.")
    return dict(about)


def _see_that_all_was_fetched(folder: Path) -> None:
    """Check that a folder contains only what was downloaded into it before, so that it can be removed.

    Raises:
        RegistryError: It contains something else.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise RegistryError(f"{folder} is not a folder of its own. Move it away.")
    note = folder / FETCHED
    ours = {FETCHED, *note.read_text(encoding="utf-8").splitlines()} if note.is_file() else set()
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if name not in ours and (file.is_symlink() or not file.is_dir()):
            raise RegistryError(f"{folder} holds {name}, which was not fetched. Move it away: the folder is emptied.")


def _version(name: str, document: Mapping[str, Any]) -> Version:
    properties = document["properties"]
    return Version(name, str(document["name"]), dict(properties.get("tags") or {}), properties.get("modelUri") or "")


def _quoted(path: str) -> str:
    return urllib.parse.quote(path, safe="/")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirects: none of these services sends one, and a token must not go to another host."""

    def redirect_request(self, *_args: Any) -> None:
        """Say no."""


@functools.cache
def _opener(bundle: str | None) -> urllib.request.OpenerDirector:
    context = ssl.create_default_context()
    if bundle:
        context.load_verify_locations(bundle)
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _NoRedirect)


def send(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    *,
    what: str,
    hint: str = "",
) -> bytes:
    """Return the body of the response; if the service is busy, the request is repeated.

    Raises:
        RegistryError: There was no answer, or it was an error.
    """
    request = urllib.request.Request(url, data=body, headers=dict(headers or {}), method=method)
    host = urllib.parse.urlsplit(url).netloc
    # urllib reads SSL_CERT_FILE; most other programs read REQUESTS_CA_BUNDLE for a company's certificates.
    opener = _opener(os.environ.get("REQUESTS_CA_BUNDLE"))
    for left in reversed(range(TRIES)):
        try:
            with opener.open(request, timeout=TIMEOUT) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            if error.code in BUSY and left:
                time.sleep(_pause(error.headers.get("Retry-After"), TRIES - left))
                continue
            raise _refused(error, what, host, hint) from error
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            reason = getattr(error, "reason", None) or error
            if isinstance(reason, ssl.SSLCertVerificationError):
                told = f"the certificate of {host} is not trusted ({reason})"
                raise RegistryError(f"Could not {what}: {told}. REQUESTS_CA_BUNDLE may name the right ones.") from error
            if left:
                time.sleep(_pause(None, TRIES - left))
                continue
            raise RegistryError(f"Could not {what}: {host} does not answer ({reason}).") from error
    raise AssertionError("the last try returns or raises")


def _pause(asked: str | None, attempt: int) -> float:
    if asked and asked.isdecimal():
        return min(float(asked), 60.0)
    return float(2 ** (attempt - 1))


def _refused(error: urllib.error.HTTPError, what: str, host: str, hint: str) -> ServiceError:
    content = error.read()
    code, message = error.headers.get("x-ms-error-code") or "", ""
    try:
        document = json.loads(content)
        told = document.get("error", document)
        if isinstance(told, dict):
            code, message = str(told.get("code", code)), str(told.get("message", ""))
        else:
            code, message = str(told), str(document.get("error_description", ""))
    except (ValueError, AttributeError):
        message = content[:200].decode("utf-8", "replace") if not code else ""
    said = " ".join(f"{code}: {message}".split())[:500]
    text = f"Could not {what}: {host} answered {error.code} {said}".rstrip(": ")
    return ServiceError(f"{text}. {hint}" if hint and error.code in (401, 403) else f"{text}.", error.code, code)
