"""What both data planes of a storage account have in common: authentication, authorization, ranges, conditions."""

from __future__ import annotations

import re
from abc import abstractmethod
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from hol_wizard.practice import seed
from hol_wizard.practice.arm.access import Access
from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.entra.tokens import Tokens
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import Refused, Request, Response, Service
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.web import request_id
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.storage import acl
from hol_wizard.practice.storage.lake import NAME_RULE, Lake, http_time

ACCOUNTS = "microsoft.storage/storageaccounts"
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
READ = f"{_BLOBS}/read"
WRITE = f"{_BLOBS}/write"
DELETE = f"{_BLOBS}/delete"
SUPERUSER = f"{_BLOBS}/runAsSuperUser/action"
"""The action of Storage Blob Data Owner that Contributor lacks: everything is allowed, whatever the ACLs say."""
CHANGE_PERMISSIONS = f"{_BLOBS}/modifyPermissions/action"
CHANGE_OWNER = f"{_BLOBS}/manageOwnership/action"
METHODS = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE")

TEXTS = {
    "AuthenticationFailed": "Server failed to authenticate the request. Make sure the value of Authorization header is "
    "formed correctly including the signature.",
    "AuthorizationFailure": "This request is not authorized to perform this operation.",
    "AuthorizationPermissionMismatch": "This request is not authorized to perform this operation using this "
    "permission.",
    "BlobNotFound": "The specified blob does not exist.",
    "ConditionNotMet": "The condition specified using HTTP conditional header(s) is not met.",
    "ContainerAlreadyExists": "The specified container already exists.",
    "ContainerBeingDeleted": "The specified container is being deleted. Try operation later.",
    "ContainerNotFound": "The specified container does not exist.",
    "DirectoryNotEmpty": "The recursive query parameter value must be true to delete a non-empty directory.",
    "FilesystemAlreadyExists": "The specified filesystem already exists.",
    "FilesystemBeingDeleted": "The specified filesystem is being deleted.",
    "FilesystemNotFound": "The specified filesystem does not exist.",
    "InvalidAuthenticationInfo": "Server failed to authenticate the request. Please refer to the information in the "
    "www-authenticate header.",
    "InvalidBlockList": "The specified block list is invalid.",
    "InvalidXmlDocument": "XML specified is not syntactically valid.",
    "InvalidFlushPosition": "The uploaded data is not contiguous or the position query parameter value is not equal to "
    "the length of the file after appending the uploaded data.",
    "InvalidHeaderValue": "The value for one of the HTTP headers is not in the correct format.",
    "InvalidHttpVerb": "The HTTP verb specified is invalid - it is not recognized by the server.",
    "InvalidInput": "One of the request inputs is not valid.",
    "InvalidQueryParameterValue": "Value for one of the query parameters specified in the request URI is invalid.",
    "InvalidRange": "The range specified is invalid for the current size of the resource.",
    "InvalidResourceName": "The specified resource name contains invalid characters.",
    "InvalidUri": "The request URI is invalid.",
    "KeyBasedAuthenticationNotPermitted": "Key based authentication is not permitted on this storage account.",
    "Md5Mismatch": "The MD5 value specified in the request did not match with the MD5 value calculated by the server.",
    "MissingRequiredHeader": "An HTTP header that's mandatory for this request is not specified.",
    "MissingRequiredQueryParameter": "A query parameter that's mandatory for this request is not specified.",
    "NoAuthenticationInformation": "Server failed to authenticate the request. Please refer to the information in the "
    "www-authenticate header.",
    "OutOfRangeInput": "The specified resource name length is not within the permissible limits.",
    "PathAlreadyExists": "The specified path already exists.",
    "PathConflict": "The specified path, or an element of the path, exists and its resource type is invalid for this "
    "operation.",
    "PathNotFound": "The specified path does not exist.",
    "RenameDestinationParentPathNotFound": "The parent directory of the destination path does not exist.",
    "ResourceNotFound": "The specified resource does not exist.",
    "SourcePathNotFound": "The source path for a rename operation does not exist.",
    "UnsupportedHeader": "One of the HTTP headers specified in the request is not supported.",
}
"""Texts of errors ("Common REST API error codes", "Blob service error codes", Data Lake's "Path - Update")."""

_PLAIN_CODES = {
    "SubscriptionRequestsThrottled": "ServerBusy",
    "ServiceUnavailable": "ServerBusy",
    "ExpiredAuthenticationToken": "InvalidAuthenticationInfo",
    "InternalServerError": "InternalError",
    "InvalidRequestContent": "InvalidInput",
}
"""Errors that all services of the practice cloud return, with the codes of storage."""


class Place(NamedTuple):
    """The target of a request."""

    account: Document
    file_system: str
    """Empty: the account itself."""
    path: str
    """Without leading and trailing slashes; empty: the root, or the file system itself."""

    @property
    def name(self) -> str:
        """The account's name."""
        return str(self.account["name"])

    @property
    def hierarchical(self) -> bool:
        """Whether there are directories and ACLs."""
        return bool(self.account["properties"].get("isHnsEnabled"))

    @property
    def scope(self) -> str:
        """The scope on which roles are checked."""
        identity = str(self.account["id"])
        return f"{identity}/blobServices/default/containers/{self.file_system}" if self.file_system else identity


class Plane(Service):
    """One data plane of all accounts, with path-style URLs: the first part of a path is the account's name.

    Clients use path style for a local address (`https://127.0.0.1:10000/account`).
    """

    file_system_code = "Filesystem"
    """The name for a file system in error codes."""

    honored = ""
    """Query parameters that its operations read (`Router.add`)."""
    refused_wishes = ""
    """Query parameters of its operations that are not served."""
    idle = "timeout"
    """Query parameters that have no effect here."""
    refused_headers = ""
    """Headers of its operations that are not served."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.tokens = world.part(Tokens)
        self.lake = world.part(Lake)
        for method in METHODS:
            self.router.add(
                method,
                "/{rest*}",
                self.handle,
                honors=self.honored,
                refuses=self.refused_wishes,
                ignores=self.idle,
                refuses_headers=self.refused_headers,
            )

    @abstractmethod
    def handle(self, request: Request) -> Response:
        """Handle one authenticated request."""

    @abstractmethod
    def body_of_error(self, code: str, message: str) -> tuple[Any, str]:
        """Return the body of an error in this service's format, and its content type."""

    def error(self, status: int, code: str, message: str, **more: Any) -> Response:
        """Return an error in the format of storage (recorded): its code is in a header too."""
        del more
        code, identity = _PLAIN_CODES.get(code, code), request_id()
        message = f"{message}\nRequestId:{identity}\nTime:{timestamp(self.world.clock.now())}"
        body, content_type = self.body_of_error(code, message)
        return Response(status, body, {"x-ms-error-code": code, "x-ms-request-id": identity}, content_type)

    def refused(self, status: int, code: str, message: str = "") -> Refused:
        """Return an error."""
        return Refused(self.error(status, code, message or TEXTS[code]))

    def not_found(self, request: Request, path_is_known: bool) -> Response:
        """Return the error for an address without an account."""
        del request
        if path_is_known:
            return self.error(405, "UnsupportedHttpVerb", "The resource doesn't support specified Http Verb.")
        return self.error(400, "InvalidUri", TEXTS["InvalidUri"])

    def headers(self, request: Request) -> dict[str, str]:
        """Return the headers of every response (recorded)."""
        headers = {"x-ms-request-id": request_id(), "x-ms-version": request.headers.get("x-ms-version", "2023-11-03")}
        sent = request.headers.get("x-ms-client-request-id")
        return {**headers, "x-ms-client-request-id": sent} if sent else headers

    def authenticate(self, request: Request) -> seed.Principal | None:
        """Return the caller, by a bearer token for storage; account keys and signatures are never accepted here.

        Raises:
            Refused: There is no valid token, or the account does not exist or blocks network access.
        """
        account = self._account(request)
        scheme = request.headers.get("Authorization", "").partition(" ")[0].lower()
        if scheme in {"sharedkey", "sharedkeylite"} or "sig" in request.query:
            if account["properties"].get("allowSharedKeyAccess") is False:
                raise self.refused(403, "KeyBasedAuthenticationNotPermitted")
            raise self.refused(403, "AuthenticationFailed")
        grant, wrong = self.tokens.bearer(request)
        if wrong == "missing":
            raise self._challenge("NoAuthenticationInformation")
        if grant is None or wrong or grant["audience"].rstrip("/") != seed.AUDIENCES["storage"]:
            raise self._challenge("InvalidAuthenticationInfo")
        if not request.headers.get("x-ms-version"):
            # Tokens are accepted from version 2017-11-09 on ("Authorize with Microsoft Entra ID").
            raise self.refused(400, "MissingRequiredHeader")
        rules = account["properties"].get("networkAcls") or {}
        if account["properties"].get("publicNetworkAccess") == "Disabled" or rules.get("defaultAction") == "Deny":
            raise self.refused(403, "AuthorizationFailure")
        return self.world.principal(grant["principal"])

    def _challenge(self, code: str) -> Refused:
        refusal = self.refused(401, code)
        entra = self.world.addresses.get("active_directory", "https://login.microsoftonline.com")
        refusal.response.headers["WWW-Authenticate"] = (
            f"Bearer authorization_uri={entra}/{seed.TENANT}/oauth2/authorize resource_id={seed.AUDIENCES['storage']}"
        )
        return refusal

    def _account(self, request: Request) -> Document:
        name = request.path.lstrip("/").partition("/")[0].lower()
        for each in self.world.part(Resources).all():
            if each["name"] == name and each["type"].lower() == ACCOUNTS and each["state"] == "Succeeded":
                return each
        # In Azure the name of an account that does not exist does not resolve, so nothing responds.
        raise self.refused(404, "ResourceNotFound")

    def place(self, request: Request) -> Place:
        """Return the target of a request."""
        parts = [*request.path.lstrip("/").split("/", 2), "", ""]
        return Place(self._account(request), parts[1], parts[2].strip("/"))

    # Authorization

    def require(self, request: Request, place: Place, action: str, wanted: str = "", *, parent: bool = False) -> None:
        """Allow the request only if a role allows the action, or the ACLs of the path do.

        Args:
            request: The request.
            place: Its target.
            action: The role's data action.
            wanted: What the ACL must allow, some of `rwx`; on directories above, `x` is always needed.
            parent: Whether it must allow it on the directory above, or on the nearest one that exists.

        Raises:
            Refused: Neither allows it.
        """
        if self.by_role(request, place, action):
            return
        if place.hierarchical and self._by_acl(request, place, wanted, parent=parent):
            return
        raise self.refused(403, "AuthorizationPermissionMismatch")

    def require_role(self, request: Request, place: Place, action: str) -> None:
        """Allow the request only if a role allows the action: ACLs never apply to whole file systems.

        Raises:
            Refused: None does.
        """
        if not self.by_role(request, place, action):
            raise self.refused(403, "AuthorizationPermissionMismatch")

    def by_role(self, request: Request, place: Place, action: str) -> bool:
        """Return whether a role allows the action."""
        return self.world.part(Access).allowed_data(request.who.id, action, place.scope)

    def _by_acl(self, request: Request, place: Place, wanted: str, *, parent: bool) -> bool:
        file_system = self.lake.file_system(place.name, place.file_system)
        if file_system is None:
            return False
        above = self.lake.ancestors(file_system, place.path)
        if not all(acl.allows(each["acl"], each["owner"], request.who.id, "x") for each in above):
            return False
        target = above[-1] if parent and above else self.lake.find(file_system, place.path)
        return target is None or acl.allows(target["acl"], target["owner"], request.who.id, wanted)

    # File systems and files

    def file_system(self, place: Place) -> Document:
        """Return the file system.

        Raises:
            Refused: There is none of this name.
        """
        found = self.lake.file_system(place.name, place.file_system)
        if found is None:
            raise self.refused(404, f"{self.file_system_code}NotFound")
        return found

    def make_file_system(self, request: Request, place: Place, metadata: dict[str, str]) -> Response:
        """Create a file system."""
        if not 3 <= len(place.file_system) <= 63:
            raise self.refused(400, "OutOfRangeInput")
        if not NAME_RULE.fullmatch(place.file_system):
            raise self.refused(400, "InvalidResourceName")
        if self.lake.leaving(place.name, place.file_system):
            raise self.refused(409, f"{self.file_system_code}BeingDeleted")
        if self.lake.file_system(place.name, place.file_system) is not None:
            raise self.refused(409, f"{self.file_system_code}AlreadyExists")
        made = self.lake.make_file_system(place.name, place.file_system, request.who.id, metadata)
        return Response(201, headers=self.tag(made))

    def tag(self, document: Document) -> dict[str, str]:
        """Return ETag and time of the last change."""
        return {"ETag": f'"{document["etag"]}"', "Last-Modified": http_time(document["changed"])}

    def conditions(self, request: Request, document: Document | None) -> None:
        """Allow the request only if its conditional headers are met.

        Raises:
            Refused: One is not: 304 for a read, else 412 (recorded).
        """
        reading = request.method in {"GET", "HEAD"}
        tag = document["etag"] if document is not None else None
        wanted, unwanted = _tags(request, "If-Match"), _tags(request, "If-None-Match")
        changed = int(document["changed"]) if document is not None else 0
        since, unchanged = _moment(request, "If-Modified-Since"), _moment(request, "If-Unmodified-Since")
        if (wanted and (tag is None or not wanted & {tag, "*"})) or (unchanged is not None and changed > unchanged):
            raise self.refused(412, "ConditionNotMet")
        if (tag is not None and unwanted & {tag, "*"}) or (since is not None and changed <= since):
            raise self._not_modified() if reading else self.refused(412, "ConditionNotMet")

    def _not_modified(self) -> Refused:
        return Refused(Response(304, headers={"x-ms-error-code": "ConditionNotMet"}))

    def read(self, request: Request, document: Document, headers: dict[str, str]) -> Response:
        """Return the bytes of a file, all of them or those of the range that is asked for.

        Raises:
            Refused: The range begins after the end of the file.
        """
        length = int(document["length"])
        asked = request.headers.get("x-ms-range") or request.headers.get("Range") or ""
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.strip())
        headers = {**headers, "Accept-Ranges": "bytes"}
        if match is None:
            return Response(200, self.lake.read(document, 0, length), headers)
        start, end = int(match[1]), min(int(match[2] or length), length - 1) + 1
        if start >= length:
            refusal = self.refused(416, "InvalidRange")
            refusal.response.headers["Content-Range"] = f"bytes */{length}"
            raise refusal
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{length}"
        whole = headers.pop("Content-MD5", None)
        if whole:
            headers["x-ms-blob-content-md5"] = whole
        return Response(206, self.lake.read(document, start, end), headers)

    def most(self, request: Request, name: str, default: int) -> int:
        """Return the requested length of a list.

        Raises:
            Refused: The parameter is not a positive number.
        """
        given = request.query.get(name, str(default))
        if not given.isdecimal() or int(given) < 1:
            raise self.refused(400, "InvalidQueryParameterValue")
        return min(int(given), default)


def _tags(request: Request, name: str) -> set[str]:
    return {each.strip().strip('"') for each in request.headers.get(name, "").split(",") if each.strip()}


def _moment(request: Request, name: str) -> float | None:
    try:
        return parsedate_to_datetime(request.headers[name]).timestamp() if name in request.headers else None
    except ValueError:
        return None
