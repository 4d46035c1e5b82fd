"""Git credentials: GitCredentials_create, _list, _get, _update, _delete. Each user has their own."""

from __future__ import annotations

import hashlib
import secrets

from hol_wizard.practice import seed
from hol_wizard.practice.databricks import address, errors
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

PROVIDERS = (
    *("gitHub", "bitbucketCloud", "gitLab", "azureDevOpsServices", "gitHubEnterprise", "bitbucketServer"),
    *("gitLabEnterpriseEdition", "awsCodeCommit"),
)
"""databricks-sdk, `GitCredentialsAPI.create`; case-insensitive."""
_PATH = "/api/2.0/git-credentials"


class GitCredentials:
    """The credentials of each user of each workspace; their tokens are stored separately from the rest."""

    def __init__(self, world: World, router: Router) -> None:
        self._documents = world.part(address.Contents).collection("databricks_git_credentials", self)
        self._values = world.part(address.Contents).collection("vault_databricks_git_tokens", self)
        router.add("GET", _PATH, self._list, refuses="principal_id")
        router.add("POST", _PATH, self._create)
        router.add("GET", f"{_PATH}/{{credential}}", self._get, refuses="principal_id")
        router.add("PATCH", f"{_PATH}/{{credential}}", self._update)
        router.add("DELETE", f"{_PATH}/{{credential}}", self._delete, refuses="principal_id")

    def token(self, workspace: str, owner: seed.Principal, provider: str, wanted: int | None = None) -> str:
        """Return somebody's token for a provider; empty if they have none."""
        for key, each in self._of(workspace, owner):
            if each["git_provider"].lower() == provider.lower() and wanted in {None, each["credential_id"]}:
                return str((self._values.get(key) or {}).get("value", ""))
        return ""

    def _of(self, workspace: str, owner: seed.Principal) -> list[tuple[str, Document]]:
        return [
            (key, each)
            for key, each in self._documents.items()
            if (each["workspace"], each["owner"]) == (workspace, owner.id)
        ]

    def _find(self, request: Request) -> tuple[str, Document]:
        for key, each in self._of(request.thing, request.who):
            if str(each["credential_id"]) == request.match["credential"]:
                return key, each
        raise errors.missing(f"Git credential with ID {request.match['credential']} does not exist.")

    def _list(self, request: Request) -> Response:
        found = [_shown(each) for _, each in self._of(request.thing, request.who)]
        return Response(200, {"credentials": found} if found else {})

    def _get(self, request: Request) -> Response:
        return Response(200, _shown(self._find(request)[1]))

    def _create(self, request: Request) -> Response:
        provider = _provider(request.json)
        if any(each["git_provider"] == provider for _, each in self._of(request.thing, request.who)):
            # The text is that of terraform-provider-databricks issue 4871; its code is unrecorded.
            raise errors.refused(
                400,
                "RESOURCE_ALREADY_EXISTS",
                f"A Git credential already exists for provider {provider}. Only one credential per provider is "
                "allowed.",
            )
        if not request.json.get("personal_access_token"):
            raise errors.invalid("personal_access_token must be specified.")
        identity = secrets.randbelow(10**15) + 10**14
        key = f"{request.thing}/{identity}"
        document = {
            "workspace": request.thing,
            "owner": request.who.id,
            "credential_id": identity,
            "git_provider": provider,
        }
        self._keep(key, document, request.json)
        return Response(200, _shown(document))

    def _update(self, request: Request) -> Response:
        key, document = self._find(request)
        document["git_provider"] = _provider(request.json)
        self._keep(key, document, request.json)
        return Response(200, {})

    def _keep(self, key: str, document: Document, given: JsonObject) -> None:
        for name in ("git_username", "git_email", "name", "is_default_for_provider"):
            if given.get(name) is not None:
                document[name] = given[name]
        self._documents.put(key, document)
        value = str(given.get("personal_access_token") or "")
        if value:
            digest = hashlib.sha256(value.encode()).hexdigest()
            self._values.put(key, {"workspace": document["workspace"], "value": value, "digest": digest})

    def _delete(self, request: Request) -> Response:
        key, _ = self._find(request)
        self._documents.delete(key)
        self._values.delete(key)
        return Response(200, {})


def _provider(given: JsonObject) -> str:
    asked = str(given.get("git_provider") or "")
    for each in PROVIDERS:
        if each.lower() == asked.lower():
            return each
    raise errors.invalid(f"Invalid Git provider {asked or '(none)'}.")


def _shown(document: Document) -> JsonObject:
    return {name: value for name, value in document.items() if name not in {"workspace", "owner"}}
