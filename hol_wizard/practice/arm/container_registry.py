"""Container registries: Registries_CheckNameAvailability, _Create, _Update, _Get, _List…, _Delete, _ImportImage,
_ListCredentials, _RegenerateCredential, _ListUsages (containerregistry).
"""

from __future__ import annotations

import re
import secrets

from hol_wizard.practice.arm import errors, operations
from hol_wizard.practice.arm.access import Access
from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.arm.manager import ResourceManager
from hol_wizard.practice.arm.operations import Style
from hol_wizard.practice.arm.resources import ResourceType, given, one_of
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.registry.access import SignIn, admin_passwords
from hol_wizard.practice.registry.images import Images, MissingBlobError
from hol_wizard.practice.registry.outside import OutsideImages
from hol_wizard.practice.registry.service import NAME

_SKUS = ("Basic", "Standard", "Premium")
_BY_ROLES, _ABAC = "LegacyRegistryPermissions", "AbacRepositoryPermissions"
_PASSWORDS = ("password", "password2")
"""The names of the admin user's passwords (recorded)."""
_OUTSIDE_SECONDS = 24 * 3600.0
"""Until when an import from outside is not due: it ends with its job."""
_IMAGE = re.compile(r"([a-z0-9._/-]+)(?::([A-Za-z0-9_][A-Za-z0-9._-]{0,127})|@(sha256:[0-9a-f]{64}))?")
_NAMESPACE = "/subscriptions/{subscription}/providers/Microsoft.ContainerRegistry"


class Registries(ResourceType):
    """Container registries: 201 with `Azure-AsyncOperation`, deletion 202 with `Location`."""

    type = "Microsoft.ContainerRegistry/registries"
    name_rule = re.compile(r"[A-Za-z0-9]{5,50}")

    def __init__(self, manager: ResourceManager) -> None:
        super().__init__(manager)
        self._images = self.world.part(Images)
        self._outside = self.world.part(OutsideImages)
        self.world.operations.on_end("import", self._imported)
        add = manager.router.add
        one = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{self.type}/{{name}}"
        add("POST", _NAMESPACE + "/checkNameAvailability", self._available)
        add("POST", one + "/importImage", self._import)
        add("POST", one + "/listCredentials", self._credentials)
        add("POST", one + "/regenerateCredential", self._regenerate)
        add("GET", one + "/listUsages", self._usages)

    def _available(self, request: Request) -> Response:
        subscription = self.arm.subscription(request)
        self.arm.require(
            request, "Microsoft.ContainerRegistry/checkNameAvailability/read", f"/subscriptions/{subscription.id}"
        )
        name = str(request.json.get("name", ""))
        if not self.name_rule.fullmatch(name):
            message = "The resource name must contain alpha numeric characters only and be between 5 and 50 characters."
            return Response(200, {"nameAvailable": False, "reason": "Invalid", "message": message})
        if self.name_is_taken(name):
            message = f"The registry {name} is already in use."
            return Response(200, {"nameAvailable": False, "reason": "AlreadyExists", "message": message})
        return Response(200, {"nameAvailable": True})

    def name_refused(self, name: str) -> Refused:
        """Return the error for a name that breaks the rule; the text is not recorded."""
        return errors.refused(
            400,
            "InvalidResourceName",
            f"Resource name {name} is invalid. It may contain alpha numeric characters only and must be between 5 and "
            "50 characters.",
        )

    def taken(self, name: str) -> Refused | None:
        """Return the error for a name that is in use (azure-cli issue 13951)."""
        if not self.name_is_taken(name):
            return None
        return errors.refused(
            409,
            "AlreadyInUse",
            f"The registry DNS name {name.lower()}.azurecr.io is already in use. You can check if the name is already "
            "claimed using following API: "
            "https://docs.microsoft.com/en-us/rest/api/containerregistry/registries/checknameavailability",
        )

    def make(self, request: Request, body: JsonObject, resource: Document) -> None:
        """Apply the request body."""
        sku = one_of(given(body, "sku").get("name"), _SKUS, "sku")
        resource["sku"] = {"name": sku, "tier": sku}
        wanted = given(body, "properties")
        resource["properties"] = {
            "adminUserEnabled": bool(wanted.get("adminUserEnabled", False)),
            # "The Default is rbac" (azure-cli 2.91, acr create).
            "roleAssignmentMode": _mode(wanted) or _BY_ROLES,
            "passwords": [secrets.token_urlsafe(39) for _ in _PASSWORDS],
        }

    def change(self, request: Request, body: JsonObject, resource: Document) -> None:
        """Apply the allowed changes."""
        if body.get("sku") is not None:
            sku = one_of(given(body, "sku").get("name"), _SKUS, "sku")
            resource["sku"] = {"name": sku, "tier": sku}
        wanted = given(body, "properties")
        if wanted.get("adminUserEnabled") is not None:
            resource["properties"]["adminUserEnabled"] = bool(wanted["adminUserEnabled"])
        resource["properties"]["roleAssignmentMode"] = _mode(wanted) or _mode_of(resource)

    def _polls(self, resource: Document) -> str:
        region = resource["location"]
        base = f"/subscriptions/{resource['subscription']}/providers/Microsoft.ContainerRegistry"
        return f"{base}/locations/{region}/operationResults"

    def accept(self, request: Request, resource: Document) -> Response:
        """Respond 201 with the registry as Creating."""
        address = self.begin(request, resource, "create", Style.STATUS, self._polls(resource), "Creating")
        return Response(
            201, self.render(resource), {"Azure-AsyncOperation": address, **self.world.clock.retry_headers()}
        )

    def unmake(self, request: Request, resource: Document) -> Response:
        """Respond 202 without a body."""
        address = self.begin_delete(request, resource, Style.EMPTY, self._polls(resource))
        return Response(202, headers={"Location": address, **self.world.clock.retry_headers()})

    def remove(self, resource: Document, when: float) -> None:
        """Delete the registry with all its images."""
        super().remove(resource, when)
        self.world.close_port(NAME, resource["name"])
        self._images.forget(resource["name"].lower())

    def _admin(self, request: Request, right: str) -> tuple[Document, list[str]]:
        """Return the registry and the passwords of its admin user.

        Raises:
            Refused: The admin user is disabled (terraform-provider-azurerm issue 21440).
        """
        registry = self._found(request, right)
        passwords = admin_passwords(registry)
        if not passwords:
            raise errors.refused(
                400,
                "UnAuthorizedForCredentialOperations",
                f"Cannot perform credential operations for {registry['id']} as admin user is disabled. Kindly enable "
                "admin user as per docs: "
                "https://docs.microsoft.com/en-us/azure/container-registry/container-registry-authentication"
                "#admin-account",
            )
        return registry, list(passwords)

    def _credentials(self, request: Request) -> Response:
        return _shown_credentials(*self._admin(request, "listCredentials/action"))

    def _regenerate(self, request: Request) -> Response:
        registry, passwords = self._admin(request, "regenerateCredential/action")
        name = one_of(request.json.get("name"), _PASSWORDS, "name")
        passwords[_PASSWORDS.index(name)] = secrets.token_urlsafe(39)
        registry["properties"]["passwords"] = passwords
        self.world.part(Resources).keep(registry)
        return _shown_credentials(registry, passwords)

    def _usages(self, request: Request) -> Response:
        registry = self._found(request, "listUsages/read")
        limit = _BYTES[registry["sku"]["name"]]
        used = self._images.bytes_of(registry["name"].lower())
        return Response(200, {"value": [{"name": "Size", "limit": limit, "currentValue": used, "unit": "Bytes"}]})

    # Import

    def _import(self, request: Request) -> Response:
        """Start to copy an image from another registry (`az acr import`); it is 202 with `Location` (recorded)."""
        registry = self._found(request, "importImage/action")
        if registry["state"] != "Succeeded":
            raise self.busy(registry)
        targets, source = self._targets(request.json), given(request.json, "source")
        image = str(source.get("sourceImage") or "")
        force = one_of(request.json.get("mode") or "NoForce", ("NoForce", "Force"), "mode") == "Force"
        parsed = _IMAGE.fullmatch(image)
        if parsed is None or not targets:
            raise _invalid("The source image, or a target tag, is invalid.")
        from_here = self._source(request, source)
        operation, address = operations.begin(
            self.world,
            request,
            "import",
            registry["id"],
            f"{self.type} import",
            Style.EMPTY,
            self._polls(registry),
        )
        name = registry["name"].lower()
        if from_here is None:
            self._outside.begin(operation["id"], name, f"{_host(source)}/{image}", targets, force=force)
            operation["due"] = self.world.clock.now() + _OUTSIDE_SECONDS
        else:
            wanted = {"registry": from_here, "repository": parsed[1], "reference": parsed[2] or parsed[3] or "latest"}
            operation["import"] = {"source": wanted, "targets": targets, "force": force}
        self.world.operations.keep(operation)
        return Response(202, headers={"Location": address, **self.world.clock.retry_headers()})

    @staticmethod
    def _targets(body: JsonObject) -> list[list[str]]:
        """Return the repositories and tags to import to; a tag is empty if the image gets none."""
        tags, untagged = body.get("targetTags") or [], body.get("untaggedTargetRepositories") or []
        found = [_IMAGE.fullmatch(str(each)) for each in [*tags, *untagged]]
        if any(each is None or each[3] for each in found):
            raise _invalid("A target is not a repository with a tag.")
        named = [[each[1], each[2] or "latest"] for each in found[: len(tags)] if each is not None]
        return [*named, *([each[1], ""] for each in found[len(tags) :] if each is not None)]

    def _source(self, request: Request, source: JsonObject) -> str | None:
        """Return the name of the source registry; None if it is outside of the practice cloud.

        Raises:
            Refused: There is no such registry, or the caller may not pull from it.
        """
        identity, host, resources = str(source.get("resourceId") or ""), _host(source), self.world.part(Resources)
        if identity:
            found = resources.find(identity)
            if found is None:
                raise errors.refused(404, "ResourceNotFound", f"The Resource '{identity}' was not found.")
            self.arm.require(request, f"{self.type}/pull/read", found["id"])
            return str(found["name"]).lower()
        for each in map(resources.find, resources.ids_of(self.type)):
            if each is not None and host in {
                self.properties(each)["loginServer"],
                f"{each['name'].lower()}.azurecr.io",
            }:
                credentials = given(source, "credentials")
                user, password = str(credentials.get("username") or ""), str(credentials.get("password") or "")
                who = self.world.part(SignIn).of_password(user, password, each)
                allowed = self.world.part(Access).allowed(who, f"{self.type}/pull/read", each["id"])
                if who != each["name"].lower() and not allowed:
                    raise _invalid(f"The source registry {host} requires credentials that may pull from it.")
                return str(each["name"]).lower()
        if not host:
            raise _invalid("The source registry is missing.")
        return None

    def _imported(self, world: World, operation: Document) -> None:
        """Copy the image, at the end of the operation."""
        plan, registry = operation.get("import"), world.part(Resources).find(operation["target"])
        if operation["error"] or plan is None or registry is None:
            return
        name, source = registry["name"].lower(), plan["source"]
        found = self._images.find(source["registry"], source["repository"], source["reference"])
        taken = [":".join(each) for each in plan["targets"] if each[1] and self._images.tag(name, *each) is not None]
        code, error = "ImageNotFound", ""
        if found is None:
            error = f"The image {source['repository']} {source['reference']} does not exist in the source registry."
        elif taken and not plan["force"]:
            # azure-cli pull request 10938 quotes the text.
            code, error = "Conflict", f"Tag {taken[0]} already exists in target registry."
        else:
            try:
                for repository, tag in plan["targets"]:
                    self._images.copy(found, name, repository, [tag] if tag else [])
            except MissingBlobError as missing:
                error = f"The source registry has no {missing.digest}."
        if error:
            operation.update(status="Failed", error={"code": code, "message": error})
            world.operations.keep(operation)

    def properties(self, resource: Document) -> JsonObject:
        """Return `properties` as the API's reference shows them."""
        return {
            "loginServer": self.world.open_port(NAME, resource["name"]).removeprefix("https://"),
            "creationDate": timestamp(resource["created"]),
            "provisioningState": resource["state"],
            "adminUserEnabled": resource["properties"]["adminUserEnabled"],
            "policies": {
                "quarantinePolicy": {"status": "disabled"},
                "trustPolicy": {"type": "Notary", "status": "disabled"},
                "retentionPolicy": {"days": 7, "lastUpdatedTime": timestamp(resource["created"]), "status": "disabled"},
            },
            "publicNetworkAccess": "Enabled",
            "zoneRedundancy": "Disabled",
            "anonymousPullEnabled": False,
            "roleAssignmentMode": _mode_of(resource),
        }

    def shown(self, resource: Document) -> JsonObject:
        """Return who created it."""
        return {"systemData": self.system_data(resource)}


_BYTES = {"Basic": 10 << 30, "Standard": 100 << 30, "Premium": 500 << 30}
"""The storage that is included (Azure Container Registry, "service tiers")."""


def _shown_credentials(registry: Document, passwords: list[str]) -> Response:
    shown = [{"name": name, "value": value} for name, value in zip(_PASSWORDS, passwords, strict=True)]
    return Response(200, {"username": registry["name"], "passwords": shown})


def _host(source: JsonObject) -> str:
    """Return the host of the source registry; empty if it is named by its ID."""
    return str(source.get("registryUri") or "").lower().removeprefix("https://").rstrip("/")


def _invalid(message: str) -> Refused:
    return errors.refused(400, "InvalidParameter", message)


def _mode_of(resource: Document) -> str:
    return str(resource["properties"].get("roleAssignmentMode", _BY_ROLES))


def _mode(wanted: JsonObject) -> str:
    """Return the mode that a body asks for; empty if it does not say."""
    mode = wanted.get("roleAssignmentMode")
    return "" if mode is None else one_of(mode, (_BY_ROLES, _ABAC), "roleAssignmentMode")
