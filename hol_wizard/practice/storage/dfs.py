"""Data Lake Storage Gen2: file systems, directories, files and their ACLs.

Operations: Service_ListFileSystems, FileSystem_Create, _GetProperties, _SetProperties, _Delete, _ListPaths, Path_Create
(with rename), _AppendData, _FlushData, _Update, _Read, _GetProperties, _SetAccessControl, _SetAccessControlRecursive,
_Delete (adls). An SDK with a local address also sends requests about blobs there: these are passed to `blob`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any
from urllib.parse import unquote

from hol_wizard.practice.kernel.service import JsonObject, Request, Response
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.storage import acl
from hol_wizard.practice.storage.account import (
    CHANGE_OWNER,
    CHANGE_PERMISSIONS,
    DELETE,
    READ,
    SUPERUSER,
    WRITE,
    Place,
    Plane,
)
from hol_wizard.practice.storage.blob import BLOB_HEADERS, BLOB_PARAMETERS, BLOB_UNSERVED, BLOB_UNSERVED_HEADERS, Blobs
from hol_wizard.practice.storage.lake import file_time, http_time

_PAGE = 5000
_RECURSIVE_PAGE = 2000
"""Maximum number of paths that one request lists, or that one recursive change of ACLs covers (both from the
reference)."""
_PROPERTIES = {
    "x-ms-content-type": "Content-Type",
    "x-ms-content-md5": "Content-MD5",
    "x-ms-cache-control": "Cache-Control",
    "x-ms-content-encoding": "Content-Encoding",
    "x-ms-content-language": "Content-Language",
    "x-ms-content-disposition": "Content-Disposition",
}


class DataLake(Plane):
    """The `dfs` endpoint of all accounts."""

    name = "storage_dfs"
    honored = (
        f"{BLOB_PARAMETERS} resource action directory recursive continuation flush position retainUncommittedData mode "
        "forceFlag maxRecords"
    )
    # There are no change notifications here (`close`), and a deletion is always one page (`paginated`).
    idle = "timeout close paginated"
    refused_headers = (
        f"{BLOB_UNSERVED_HEADERS} x-ms-encryption-context x-ms-expiry-option x-ms-expiry-time x-ms-lease-action "
        "x-ms-lease-break-period x-ms-lease-duration x-ms-proposed-lease-id x-ms-source-if-match "
        "x-ms-source-if-modified-since x-ms-source-if-none-match x-ms-source-if-unmodified-since x-ms-source-lease-id "
        "x-ms-umask x-ms-undelete-source"
    )
    known_headers = BLOB_HEADERS | {
        *("cache-control", "content-disposition", "content-encoding", "content-language", "x-ms-acl", "x-ms-group"),
        *(name.lower() for name in _PROPERTIES),
        *("x-ms-owner", "x-ms-permissions", "x-ms-properties", "x-ms-rename-source"),
    }
    refused_wishes = f"{BLOB_UNSERVED} upn fsAction"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.blobs = Blobs(world)

    def body_of_error(self, code: str, message: str) -> tuple[Any, str]:
        """Return the error as JSON (recorded)."""
        return {"error": {"code": code, "message": message}}, "application/json;charset=utf-8"

    def handle(self, request: Request) -> Response:
        """Handle one request."""
        query = request.query
        if "restype" in query or "comp" in query or {"x-ms-blob-type", "x-ms-range"} & set(_names(request)):
            return self.blobs.handle(request)
        place = self.place(request)
        if not place.file_system:
            if request.method == "GET" and query.get("resource") == "account":
                return self._file_systems(request, place)
            raise self.refused(400, "InvalidQueryParameterValue")
        if not place.path and query.get("resource") == "filesystem":
            return self._file_system(request, place)
        action = query.get("action", "")
        if request.method == "PUT":
            return (
                self._rename(request, place)
                if "x-ms-rename-source" in request.headers
                else self._create(request, place)
            )
        if request.method == "PATCH":
            changes = {
                "append": self._append,
                "flush": self._flush,
                "setProperties": self._set_properties,
                "setAccessControl": self._set_acl,
                "setAccessControlRecursive": self._set_acls,
            }
            if action not in changes:
                raise self.refused(400, "InvalidQueryParameterValue")
            return changes[action](request, place)
        if request.method == "HEAD":
            return self._acl(request, place) if action == "getAccessControl" else self._properties(request, place)
        if request.method == "GET":
            return self._read(request, place)
        if request.method == "DELETE":
            return self._delete(request, place)
        raise self.refused(400, "InvalidHttpVerb")

    # File systems

    def _file_systems(self, request: Request, place: Place) -> Response:
        self.require_role(request, place, READ)
        prefix = request.query.get("prefix", "")
        found = [
            {"name": each["name"], "lastModified": http_time(each["changed"]), "etag": each["etag"]}
            for each in self.lake.of(place.name)
            if each["name"].startswith(prefix)
        ]
        page, headers = self._page(request, found, "maxresults", _PAGE)
        return Response(200, {"filesystems": page}, headers)

    def _file_system(self, request: Request, place: Place) -> Response:
        if request.method == "PUT":
            self.require_role(request, place, WRITE)
            response = self.make_file_system(request, place, self._metadata(request))
            response.headers["x-ms-namespace-enabled"] = str(place.hierarchical).lower()
            return response
        if request.method == "GET":
            return self._list(request, place)
        if request.method == "HEAD":
            self.require_role(request, place, READ)
            found = self.file_system(place)
            self.conditions(request, found)
            headers = {**self.tag(found), "x-ms-namespace-enabled": str(place.hierarchical).lower()}
            if found["metadata"]:
                headers["x-ms-properties"] = _encoded(found["metadata"])
            return Response(200, headers=headers)
        if request.method == "PATCH":
            self.require_role(request, place, WRITE)
            changed = self.lake.change_file_system(self.file_system(place), self._metadata(request))
            return Response(200, headers=self.tag(changed))
        if request.method == "DELETE":
            self.require_role(request, place, DELETE)
            found = self.file_system(place)
            self.conditions(request, found)
            self.lake.delete_file_system(found)
            return Response(202)
        raise self.refused(400, "InvalidHttpVerb")

    def _list(self, request: Request, place: Place) -> Response:
        if "recursive" not in request.query:
            raise self.refused(400, "MissingRequiredQueryParameter")
        directory = request.query.get("directory", "").strip("/")
        place = place._replace(path=directory)
        self.require(request, place, READ, "rx")
        file_system = self.file_system(place)
        found = self.lake.below(file_system, directory)
        if directory and self.lake.find(file_system, directory) is None and (place.hierarchical or not found):
            raise self.refused(404, "PathNotFound")
        if request.query["recursive"].lower() != "true":
            depth = len(directory) + 1 if directory else 0
            found = [each for each in found if "/" not in each["path"][depth:]]
        page, headers = self._page(request, [_listed(each) for each in found], "maxresults", _PAGE)
        return Response(200, {"paths": page}, headers, "application/json;charset=utf-8")

    def _page(
        self, request: Request, items: list[JsonObject], parameter: str, most: int
    ) -> tuple[list[JsonObject], dict[str, str]]:
        start = self._continuation(request)
        end = start + self.most(request, parameter, most)
        return items[start:end], {"x-ms-continuation": _token(end)} if end < len(items) else {}

    def _continuation(self, request: Request) -> int:
        given = request.query.get("continuation", "")
        try:
            return int(base64.b64decode(given, validate=True)) if given else 0
        except (ValueError, binascii.Error) as error:
            raise self.refused(400, "InvalidQueryParameterValue") from error

    # Files and directories

    def _found(self, place: Place) -> tuple[Document, Document]:
        file_system = self.file_system(place)
        found = self.lake.find(file_system, place.path)
        if found is None:
            raise self.refused(404, "PathNotFound")
        return file_system, found

    def _file(self, place: Place) -> Document:
        _, found = self._found(place)
        if found["directory"]:
            raise self.refused(409, "PathConflict")
        return found

    def _create(self, request: Request, place: Place) -> Response:
        kind = request.query.get("resource", "")
        if kind not in {"file", "directory"}:
            raise self.refused(400, "InvalidQueryParameterValue" if kind else "MissingRequiredQueryParameter")
        self.require(request, place, WRITE, "wx", parent=True)
        file_system = self.file_system(place)
        old = self.lake.find(file_system, place.path)
        if old is not None and request.headers.get("If-None-Match") == "*":
            raise self.refused(409, "PathAlreadyExists")
        self.conditions(request, old)
        directory = kind == "directory"
        if (old is not None and old["directory"] != directory) or any(
            not each["directory"] for each in self.lake.ancestors(file_system, place.path)
        ):
            raise self.refused(409, "PathConflict")
        if old is not None and directory:
            made = self.lake.change(old)
        else:
            made = self.lake.make(
                file_system, place.path, request.who.id, directory=directory, parents=place.hierarchical
            )
        given = {} if directory else self._content_headers(request)
        asked = request.headers.get("x-ms-permissions")
        entries = made["acl"]
        try:
            if request.headers.get("x-ms-acl"):
                entries = acl.complete(acl.parse(request.headers["x-ms-acl"]))
            elif asked and not any(key.startswith("default:") for key in entries):
                entries = acl.of_permissions(entries, asked)
        except ValueError as error:
            raise self.refused(400, "InvalidHeaderValue") from error
        made = self.lake.change(
            made, headers={**made["headers"], **given}, metadata=self._metadata(request), acl=entries
        )
        return Response(201, headers={**self.tag(made), "x-ms-request-server-encrypted": "true", "Content-Length": "0"})

    def _append(self, request: Request, place: Place) -> Response:
        self.require(request, place, WRITE, "rw")
        found = self._file(place)
        position = self._position(request)
        sent = request.headers.get("Content-MD5")
        digest = base64.b64encode(hashlib.md5(request.content, usedforsecurity=False).digest()).decode()
        if sent and sent != digest:
            raise self.refused(400, "Md5Mismatch")
        changed = self.lake.append(found, position, request.content)
        headers = {"x-ms-request-server-encrypted": "true"}
        if sent:
            headers["Content-MD5"] = digest
        if request.query.get("flush", "").lower() == "true":
            end = self.lake.appended(changed)
            if end is None or end != position + len(request.content):
                raise self.refused(400, "InvalidFlushPosition")
            changed = self.lake.flush(changed, end, retain=False, headers={})
            headers["ETag"] = f'"{changed["etag"]}"'
        return Response(202, headers=headers)

    def _position(self, request: Request) -> int:
        given = request.query.get("position")
        if given is None:
            raise self.refused(400, "MissingRequiredQueryParameter")
        if not given.isdecimal():
            raise self.refused(400, "InvalidQueryParameterValue")
        return int(given)

    def _flush(self, request: Request, place: Place) -> Response:
        self.require(request, place, WRITE, "rw")
        found = self._file(place)
        self.conditions(request, found)
        position, end = self._position(request), self.lake.appended(found)
        retain = request.query.get("retainuncommitteddata", "").lower() == "true"
        fits = end is not None and (position == end or (retain and found["length"] <= position < end))
        if request.content or not fits:
            raise self.refused(400, "InvalidFlushPosition" if not fits else "InvalidInput")
        changed = self.lake.flush(found, position, retain=retain, headers=self._content_headers(request))
        return Response(200, headers={**self.tag(changed), "x-ms-request-server-encrypted": "false"})

    def _set_properties(self, request: Request, place: Place) -> Response:
        self.require(request, place, WRITE, "w")
        _, found = self._found(place)
        self.conditions(request, found)
        headers = {**found["headers"], **self._content_headers(request)}
        metadata = self._metadata(request) if "x-ms-properties" in request.headers else found["metadata"]
        return Response(200, headers=self.tag(self.lake.change(found, headers=headers, metadata=metadata)))

    def _read(self, request: Request, place: Place) -> Response:
        self.require(request, place, READ, "r")
        found = self._file(place)
        self.conditions(request, found)
        return self.read(request, found, self._shown(place, found, user_properties=True))

    def _properties(self, request: Request, place: Place) -> Response:
        self.require(request, place, READ)
        _, found = self._found(place)
        self.conditions(request, found)
        headers = self._shown(place, found, user_properties=request.query.get("action") != "getStatus")
        headers |= {"Content-Length": str(found["length"]), "Accept-Ranges": "bytes"}
        return Response(200, headers=headers)

    def _shown(self, place: Place, document: Document, *, user_properties: bool) -> dict[str, str]:
        """Return the headers that describe a file or directory."""
        headers = {
            **self.tag(document),
            **document["headers"],
            "x-ms-resource-type": "directory" if document["directory"] else "file",
            "x-ms-creation-time": http_time(document["created"]),
            "x-ms-server-encrypted": "true",
            "x-ms-lease-state": "available",
            "x-ms-lease-status": "unlocked",
        }
        if place.hierarchical:
            headers |= _owners(document)
        if document["directory"]:
            headers["x-ms-meta-hdi_isfolder"] = "true"
        if user_properties and document["metadata"]:
            headers["x-ms-properties"] = _encoded(document["metadata"])
            # SDKs request this, since they use this local address as the blob endpoint too.
            headers |= {f"x-ms-meta-{name}": value for name, value in document["metadata"].items()}
        return headers

    def _delete(self, request: Request, place: Place) -> Response:
        if not place.path:
            raise self.refused(400, "InvalidUri")
        self.require(request, place, DELETE, "wx", parent=True)
        file_system, found = self._found(place)
        self.conditions(request, found)
        recursive = request.query.get("recursive", "").lower() == "true"
        if found["directory"] and not recursive and self.lake.below(file_system, place.path):
            raise self.refused(409, "DirectoryNotEmpty")
        self.lake.delete(file_system, found)
        return Response(200, headers={"Content-Length": "0"})

    def _rename(self, request: Request, place: Place) -> Response:
        source = unquote(request.headers["x-ms-rename-source"].partition("?")[0]).strip("/").partition("/")
        origin = place._replace(file_system=source[0], path=source[2])
        self.require(request, origin, WRITE, "wx", parent=True)
        self.require(request, place, WRITE, "wx", parent=True)
        there = self.lake.file_system(place.name, origin.file_system)
        moved = self.lake.find(there, origin.path) if there is not None else None
        if there is None or moved is None or not origin.path:
            raise self.refused(404, "SourcePathNotFound")
        target = self.file_system(place)
        parent = self.lake.find(target, place.path.rpartition("/")[0])
        if parent is None or not parent["directory"]:
            raise self.refused(404, "RenameDestinationParentPathNotFound")
        old = self.lake.find(target, place.path)
        if old is not None and request.headers.get("If-None-Match") == "*":
            raise self.refused(409, "PathAlreadyExists")
        self.conditions(request, old)
        if old is not None and (old["directory"] != moved["directory"] or self.lake.below(target, place.path)):
            raise self.refused(409, "PathAlreadyExists")
        changed = self.lake.move(there, moved, target, place.path)
        return Response(201, headers={**self.tag(changed), "Content-Length": "0"})

    # Access control

    def _hierarchical(self, place: Place) -> None:
        """Allow a request about ACLs only in an account that has them: clients take the 400 to mean "no hierarchy"
        [K]."""
        if not place.hierarchical:
            raise self.refused(400, "InvalidInput", "Hierarchical namespace is not enabled for the account.")

    def _acl(self, request: Request, place: Place) -> Response:
        self.require(request, place, READ)
        self._hierarchical(place)
        _, found = self._found(place)
        self.conditions(request, found)
        return Response(200, headers={**self.tag(found), **_owners(found), "x-ms-acl": acl.text(found["acl"])})

    def _may_change(self, request: Request, place: Place, document: Document) -> bool:
        return document["owner"] == request.who.id or any(
            self.by_role(request, place, each) for each in (SUPERUSER, CHANGE_PERMISSIONS)
        )

    def _set_acl(self, request: Request, place: Place) -> Response:
        found = self._changing(request, place)
        entries, owner, group = found["acl"], found["owner"], found["group"]
        headers = request.headers
        if headers.get("x-ms-owner", owner) != owner or headers.get("x-ms-group", group) != group:
            if not any(self.by_role(request, place, each) for each in (SUPERUSER, CHANGE_OWNER)):
                raise self.refused(403, "AuthorizationPermissionMismatch")
            owner, group = headers.get("x-ms-owner", owner), headers.get("x-ms-group", group)
        try:
            if headers.get("x-ms-acl") and headers.get("x-ms-permissions"):
                raise ValueError("one of x-ms-acl and x-ms-permissions")
            if headers.get("x-ms-acl"):
                entries = acl.complete(acl.parse(headers["x-ms-acl"]))
            elif headers.get("x-ms-permissions"):
                entries = acl.of_permissions(entries, headers["x-ms-permissions"])
            if not found["directory"] and any(key.startswith("default:") for key in entries):
                raise ValueError("a file has no defaults")
        except ValueError as error:
            raise self.refused(400, "InvalidHeaderValue") from error
        changed = self.lake.change(found, acl=entries, owner=owner, group=group)
        return Response(200, headers={**self.tag(changed), "x-ms-namespace-enabled": "true"})

    def _changing(self, request: Request, place: Place) -> Document:
        """Return the file or directory whose ACL the request changes.

        Raises:
            Refused: The caller neither owns it nor has a role that allows it.
        """
        self._hierarchical(place)
        file_system = self.lake.file_system(place.name, place.file_system)
        found = self.lake.find(file_system, place.path) if file_system is not None else None
        if found is None:
            self.require(request, place, CHANGE_PERMISSIONS)
            _, found = self._found(place)
        if not self._may_change(request, place, found):
            raise self.refused(403, "AuthorizationPermissionMismatch")
        self.conditions(request, found)
        return found

    def _set_acls(self, request: Request, place: Place) -> Response:
        """Change the ACLs of a directory and of everything below it, at most `maxRecords` at a time."""
        first = self._changing(request, place)
        mode = request.query.get("mode", "")
        if mode not in {"set", "modify", "remove"}:
            raise self.refused(400, "InvalidQueryParameterValue" if mode else "MissingRequiredQueryParameter")
        try:
            entries = acl.parse(request.headers.get("x-ms-acl", ""), permissions=mode != "remove")
            if mode == "set":
                acl.complete(entries)
            elif mode == "remove":
                acl.without(first["acl"], entries)
        except ValueError as error:
            raise self.refused(400, "InvalidHeaderValue") from error
        every = [first, *(self.lake.below(self.file_system(place), place.path) if first["directory"] else [])]
        start = self._continuation(request)
        end = start + self.most(request, "maxrecords", _RECURSIVE_PAGE)
        done = {True: 0, False: 0}
        failed: list[JsonObject] = []
        for each in every[start:end]:
            if not self._may_change(request, place, each):
                kind = "DIRECTORY" if each["directory"] else "FILE"
                failed.append(
                    {
                        "name": each["path"],
                        "type": kind,
                        "errorMessage": "This request is not authorized to perform "
                        "this operation using this permission.",
                    }
                )
                continue
            # A file has no defaults: they are left out for it.
            own = {key: value for key, value in entries.items() if each["directory"] or not key.startswith("default:")}
            change = {"set": lambda _, new: acl.complete(new), "modify": acl.modified, "remove": acl.without}[mode]
            self.lake.change(each, acl=change(each["acl"], own))
            done[each["directory"]] += 1
        body = {
            "directoriesSuccessful": done[True],
            "failedEntries": failed,
            "failureCount": len(failed),
            "filesSuccessful": done[False],
        }
        stopped = failed and request.query.get("forceflag", "").lower() != "true"
        headers = {"x-ms-continuation": _token(end)} if end < len(every) and not stopped else {}
        return Response(200, body, {**headers, "x-ms-namespace-enabled": "true"}, "application/json;charset=utf-8")

    # Headers

    def _content_headers(self, request: Request) -> dict[str, str]:
        return {name: request.headers[sent] for sent, name in _PROPERTIES.items() if request.headers.get(sent)}

    def _metadata(self, request: Request) -> dict[str, str]:
        """Return the content of `x-ms-properties`: `name=base64,name=base64`."""
        found = {}
        for each in filter(None, request.headers.get("x-ms-properties", "").split(",")):
            name, _, value = each.partition("=")
            try:
                found[name.strip()] = base64.b64decode(value, validate=True).decode("iso-8859-1")
            except binascii.Error as error:
                raise self.refused(400, "InvalidHeaderValue") from error
        return found


def _names(request: Request) -> list[str]:
    return [each.lower() for each in request.headers]


def _token(start: int) -> str:
    return base64.b64encode(str(start).encode()).decode()


def _encoded(metadata: dict[str, str]) -> str:
    return ",".join(f"{name}={base64.b64encode(value.encode()).decode()}" for name, value in metadata.items())


def _owners(document: Document) -> dict[str, str]:
    return {
        "x-ms-owner": document["owner"],
        "x-ms-group": document["group"],
        "x-ms-permissions": acl.permissions(document["acl"]),
    }


def _listed(document: Document) -> JsonObject:
    """Return a path as it is in a list: numbers and booleans are strings there (recorded)."""
    shown: JsonObject = {
        "contentLength": str(document["length"]),
        "creationTime": file_time(document["created"]),
        "etag": document["etag"],
        "expiryTime": "0",
        "group": document["group"],
        "lastModified": http_time(document["changed"]),
        "name": document["path"],
        "owner": document["owner"],
        "permissions": acl.permissions(document["acl"]),
    }
    return {**shown, "isDirectory": "true"} if document["directory"] else shown
