"""Blob storage: containers and block blobs, which are the same as Data Lake's file systems and files.

Operations: Service_ListContainersSegment, _GetProperties, _GetAccountInfo, Container_Create, _GetProperties, _Delete,
_GetAccessPolicy, _SetMetadata, _ListBlobFlatSegment, _ListBlobHierarchySegment, BlockBlob_Upload, _StageBlock,
_CommitBlockList, _GetBlockList, Blob_Download, _GetProperties, _SetMetadata, _Delete (blob).
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from xml.etree import ElementTree

from hol_wizard.practice.kernel.service import Request, Response
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.storage.account import DELETE, READ, WRITE, Place, Plane
from hol_wizard.practice.storage.lake import http_time
from hol_wizard.untrusted_xml import UnreadableError, parse_xml

_PAGE = 5000
_XML = '\ufeff<?xml version="1.0" encoding="utf-8"?>'
"""The beginning of every document, including the byte order mark (recorded)."""
_BLOCK_KINDS = frozenset({"Latest", "Committed", "Uncommitted"})
_PROPERTIES = {
    "x-ms-blob-content-type": "Content-Type",
    "x-ms-blob-content-md5": "Content-MD5",
    "x-ms-blob-cache-control": "Cache-Control",
    "x-ms-blob-content-encoding": "Content-Encoding",
    "x-ms-blob-content-language": "Content-Language",
    "x-ms-blob-content-disposition": "Content-Disposition",
}
_SERVICE = (
    "<StorageServiceProperties><Logging><Version>1.0</Version><Read>false</Read><Write>false</Write><Delete>false"
    "</Delete><RetentionPolicy><Enabled>false</Enabled></RetentionPolicy></Logging><HourMetrics><Version>1.0</Version>"
    "<Enabled>true</Enabled><IncludeAPIs>true</IncludeAPIs><RetentionPolicy><Enabled>true</Enabled><Days>7</Days>"
    "</RetentionPolicy></HourMetrics><MinuteMetrics><Version>1.0</Version><Enabled>false</Enabled><RetentionPolicy>"
    "<Enabled>false</Enabled></RetentionPolicy></MinuteMetrics><Cors /><DeleteRetentionPolicy><Enabled>false</Enabled>"
    "</DeleteRetentionPolicy></StorageServiceProperties>"
)
"""A new account's settings (recorded)."""


BLOB_PARAMETERS = "restype comp prefix delimiter marker maxresults include blockid blocklisttype"
BLOB_UNSERVED = "snapshot versionid deletetype showonly where"
BLOB_UNSERVED_HEADERS = (
    "x-ms-access-tier x-ms-blob-public-access x-ms-content-crc64 x-ms-encryption-algorithm x-ms-encryption-key "
    "x-ms-encryption-key-sha256 x-ms-encryption-scope x-ms-if-tags x-ms-immutability-policy-mode "
    "x-ms-immutability-policy-until-date x-ms-lease-id x-ms-legal-hold x-ms-range-get-content-crc64 "
    "x-ms-range-get-content-md5 x-ms-tags"
)
BLOB_HEADERS = frozenset(
    {
        *("content-length", "content-md5", "if-match", "if-modified-since", "if-none-match", "if-unmodified-since"),
        *("range", "x-ms-range", "x-ms-blob-type", "x-ms-client-request-id", "x-ms-date", "x-ms-meta", "x-ms-version"),
        *(f"x-ms-blob-{each}" for each in ("cache-control", "content-disposition", "content-encoding")),
        *(f"x-ms-blob-{each}" for each in ("content-language", "content-md5", "content-type")),
        # Containers accept only the account's own scope, and no blob has snapshots.
        *("x-ms-default-encryption-scope", "x-ms-deny-encryption-scope-override", "x-ms-delete-snapshots"),
    }
)


class Blobs(Plane):
    """The `blob` endpoint of all accounts."""

    name = "storage_blob"
    file_system_code = "Container"
    honored = BLOB_PARAMETERS
    refused_wishes = BLOB_UNSERVED
    refused_headers = BLOB_UNSERVED_HEADERS
    known_headers = BLOB_HEADERS

    def body_of_error(self, code: str, message: str) -> tuple[Any, str]:
        """Return the error as XML (recorded)."""
        return _text(_element("Error", Code=code, Message=message)), "application/xml"

    def handle(self, request: Request) -> Response:
        """Handle one request."""
        place, kind, part = self.place(request), request.query.get("restype", ""), request.query.get("comp", "")
        if not place.file_system:
            return self._service(request, place, kind, part)
        if kind == "container":
            return self._container(request, place, part)
        if kind or not place.path:
            raise self.refused(400, "InvalidQueryParameterValue" if kind else "InvalidUri")
        if request.method == "PUT":
            puts = {"": self._put, "block": self._stage, "blocklist": self._commit, "metadata": self._set_metadata}
            if part not in puts:
                raise self.refused(400, "InvalidQueryParameterValue")
            return puts[part](request, place)
        if request.method == "GET" and part == "blocklist":
            return self._block_list(request, place)
        if request.method in {"GET", "HEAD"} and part in {"", "metadata"}:
            return self._get(request, place)
        if request.method == "DELETE" and not part:
            return self._delete(request, place)
        raise self.refused(400, "InvalidHttpVerb")

    def _document(self, root: ElementTree.Element, headers: dict[str, str] | None = None) -> Response:
        return Response(200, _text(root), headers or {}, "application/xml")

    # The account

    def _service(self, request: Request, place: Place, kind: str, part: str) -> Response:
        if request.method == "GET" and part == "list" and not kind:
            self.require_role(request, place, READ)
            return self._containers(request, place)
        if request.method in {"GET", "HEAD"} and part == "properties" and kind == "account":
            self.require_role(request, place, READ)
            headers = {
                "x-ms-sku-name": place.account["sku"]["name"],
                "x-ms-account-kind": place.account["kind"],
                "x-ms-is-hns-enabled": str(place.hierarchical).lower(),
            }
            return Response(200, headers=headers)
        if request.method == "GET" and part == "properties" and kind == "service":
            self.require_role(request, place, READ)
            return self._document(parse_xml(_SERVICE.encode()))
        raise self.refused(400, "InvalidQueryParameterValue")

    def _containers(self, request: Request, place: Place) -> Response:
        prefix = request.query.get("prefix", "")
        found = [each for each in self.lake.of(place.name) if each["name"].startswith(prefix)]
        page, end, most = self._page(request, found)
        listing = ElementTree.Element("EnumerationResults", ServiceEndpoint=self._endpoint(request, place))
        _add_wishes(listing, request, most)
        containers = ElementTree.SubElement(listing, "Containers")
        for each in page:
            container = _element("Container", Name=each["name"])
            properties = {
                "Last-Modified": http_time(each["changed"]),
                "Etag": f'"{each["etag"]}"',
                "LeaseStatus": "unlocked",
                "LeaseState": "available",
                "DefaultEncryptionScope": "$account-encryption-key",
                "DenyEncryptionScopeOverride": "false",
                "HasImmutabilityPolicy": "false",
                "HasLegalHold": "false",
            }
            container.append(_element("Properties", **properties))
            _add_metadata(container, each["metadata"])
            containers.append(container)
        ElementTree.SubElement(listing, "NextMarker").text = end
        return self._document(listing)

    def _endpoint(self, request: Request, place: Place) -> str:
        return f"{request.base}/{place.name}/"

    def _page(self, request: Request, items: list[Any]) -> tuple[list[Any], str, int]:
        marker = request.query.get("marker") or "0"
        if not marker.isdecimal():
            raise self.refused(400, "InvalidQueryParameterValue")
        start, most = int(marker), self.most(request, "maxresults", _PAGE)
        end = start + most
        return items[start:end], str(end) if end < len(items) else "", most

    # Containers

    def _container(self, request: Request, place: Place, part: str) -> Response:
        if place.path:
            raise self.refused(400, "InvalidUri")
        if request.method == "PUT" and not part:
            self.require_role(request, place, WRITE)
            return self.make_file_system(request, place, self._given_metadata(request))
        if request.method == "PUT" and part == "metadata":
            self.require_role(request, place, WRITE)
            changed = self.lake.change_file_system(self.file_system(place), self._given_metadata(request))
            return Response(200, headers=self.tag(changed))
        if request.method == "DELETE" and not part:
            self.require_role(request, place, DELETE)
            found = self.file_system(place)
            self.conditions(request, found)
            self.lake.delete_file_system(found)
            return Response(202)
        if request.method == "GET" and part == "list":
            return self._list(request, place)
        if request.method in {"GET", "HEAD"} and part in {"", "metadata", "acl"}:
            self.require_role(request, place, READ)
            found = self.file_system(place)
            headers = self.tag(found)
            if part == "acl":
                return self._document(ElementTree.Element("SignedIdentifiers"), headers)
            headers |= {
                **{f"x-ms-meta-{name}": value for name, value in found["metadata"].items()},
                "x-ms-lease-status": "unlocked",
                "x-ms-lease-state": "available",
                "x-ms-has-immutability-policy": "false",
                "x-ms-has-legal-hold": "false",
                "x-ms-default-encryption-scope": "$account-encryption-key",
                "x-ms-deny-encryption-scope-override": "false",
            }
            return Response(200, headers=headers)
        raise self.refused(400, "InvalidQueryParameterValue")

    def _list(self, request: Request, place: Place) -> Response:
        self.require(request, place, READ, "rx")
        prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
        items: list[tuple[str, Document | None]] = []
        for each in self.lake.below(self.file_system(place), ""):
            name = each["path"]
            if not name.startswith(prefix):
                continue
            head, found, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
            if found or (delimiter and each["directory"]):
                group = prefix + head + delimiter
                if (group, None) not in items:
                    items.append((group, None))
            else:
                items.append((name, each))
        page, end, most = self._page(request, items)
        metadata = "metadata" in request.query.get("include", "").lower()
        shown = {"ServiceEndpoint": self._endpoint(request, place), "ContainerName": place.file_system}
        listing = ElementTree.Element("EnumerationResults", shown)
        _add_wishes(listing, request, most)
        if delimiter:
            ElementTree.SubElement(listing, "Delimiter").text = delimiter
        blobs = ElementTree.SubElement(listing, "Blobs")
        for name, each in page:
            group = each is None
            blobs.append(_element("BlobPrefix", Name=name) if group else _listed(each, place, metadata=metadata))
        ElementTree.SubElement(listing, "NextMarker").text = end
        return self._document(listing)

    # Blobs

    def _found(self, place: Place) -> tuple[Document, Document]:
        file_system = self.file_system(place)
        found = self.lake.find(file_system, place.path)
        if found is None:
            raise self.refused(404, "BlobNotFound")
        return file_system, found

    def _get(self, request: Request, place: Place) -> Response:
        self.require(request, place, READ, "" if request.method == "HEAD" else "r")
        _, found = self._found(place)
        self.conditions(request, found)
        headers = {
            **self.tag(found),
            **found["headers"],
            **{f"x-ms-meta-{name}": value for name, value in found["metadata"].items()},
            "x-ms-blob-type": "BlockBlob",
            "x-ms-creation-time": http_time(found["created"]),
            "x-ms-server-encrypted": "true",
            "x-ms-lease-state": "available",
            "x-ms-lease-status": "unlocked",
        }
        if place.hierarchical:
            headers["x-ms-resource-type"] = "directory" if found["directory"] else "file"
        if found["directory"]:
            headers["x-ms-meta-hdi_isfolder"] = "true"
        if request.method == "HEAD":
            return Response(200, headers={**headers, "Content-Length": str(found["length"]), "Accept-Ranges": "bytes"})
        return self.read(request, found, headers)

    def _new(self, request: Request, place: Place) -> Document:
        """Return a new empty blob that replaces what may be there."""
        file_system = self.file_system(place)
        old = self.lake.find(file_system, place.path)
        if old is not None and request.headers.get("If-None-Match") == "*":
            raise self.refused(409, "BlobAlreadyExists", "The specified blob already exists.")
        self.conditions(request, old)
        above = self.lake.ancestors(file_system, place.path) if place.hierarchical else []
        if (old is not None and old["directory"]) or any(not each["directory"] for each in above):
            raise self.refused(409, "PathConflict")
        return self.lake.make(file_system, place.path, request.who.id, directory=False, parents=place.hierarchical)

    def _put(self, request: Request, place: Place) -> Response:
        self.require(request, place, WRITE, "wx", parent=True)
        kind = request.headers.get("x-ms-blob-type", "")
        if "x-ms-copy-source" in request.headers or kind != "BlockBlob":
            raise self.refused(400, "UnsupportedHeader" if kind else "MissingRequiredHeader")
        digest = self._checked(request)
        headers = {"Content-Type": request.headers.get("Content-Type", ""), "Content-MD5": digest}
        headers = {**_kept(headers), **self._content_headers(request)}
        made = self.lake.fill(self._new(request, place), request.content, headers, self._given_metadata(request))
        response = {**self.tag(made), "Content-MD5": digest, "x-ms-request-server-encrypted": "true"}
        return Response(201, headers=response)

    def _checked(self, request: Request) -> str:
        """Return the MD5 of what was sent.

        Raises:
            Refused: The client's MD5 is different.
        """
        digest = base64.b64encode(hashlib.md5(request.content, usedforsecurity=False).digest()).decode()
        if request.headers.get("Content-MD5", digest) != digest:
            raise self.refused(400, "Md5Mismatch")
        return digest

    def _stage(self, request: Request, place: Place) -> Response:
        self.require(request, place, WRITE, "wx", parent=True)
        block = request.query.get("blockid", "")
        if not block:
            raise self.refused(400, "MissingRequiredQueryParameter")
        digest = self._checked(request)
        self.lake.stage(self.file_system(place), place.path, block, request.content)
        return Response(201, headers={"Content-MD5": digest, "x-ms-request-server-encrypted": "true"})

    def _commit(self, request: Request, place: Place) -> Response:
        self.require(request, place, WRITE, "wx", parent=True)
        file_system = self.file_system(place)
        old = self.lake.find(file_system, place.path)
        waiting = {each["id"]: each for each in self.lake.blocks_of(file_system, place.path)}
        there = {name: (start, end) for name, start, end in old["committed"]} if old is not None else {}
        data, committed = bytearray(), []
        for kind, block in self._block_names(request):
            start = len(data)
            if block in waiting and kind != "Committed":
                data += self.lake.staged(waiting[block])
            elif block in there and old is not None and kind != "Uncommitted":
                data += self.lake.read(old, *there[block])
            else:
                raise self.refused(400, "InvalidBlockList")
            committed.append([block, start, len(data)])
        made = self._new(request, place)
        made = self.lake.fill(made, bytes(data), self._content_headers(request), self._given_metadata(request))
        made = self.lake.change(made, committed=committed)
        self.lake.forget_blocks(file_system, place.path)
        return Response(201, headers={**self.tag(made), "x-ms-request-server-encrypted": "true"})

    def _block_names(self, request: Request) -> list[tuple[str, str]]:
        """Return where each block of the new blob is looked for, and its ID."""
        try:
            root = parse_xml(request.content)
        except UnreadableError as error:
            raise self.refused(400, "InvalidXmlDocument") from error
        if root.tag != "BlockList" or any(each.tag not in _BLOCK_KINDS for each in root):
            raise self.refused(400, "InvalidXmlDocument")
        return [(each.tag, (each.text or "").strip()) for each in root]

    def _block_list(self, request: Request, place: Place) -> Response:
        self.require(request, place, READ, "r")
        file_system = self.file_system(place)
        found, waiting = self.lake.find(file_system, place.path), self.lake.blocks_of(file_system, place.path)
        if found is None and not waiting:
            raise self.refused(404, "BlobNotFound")
        wanted, listing = request.query.get("blocklisttype", "committed").lower(), ElementTree.Element("BlockList")
        if wanted in {"committed", "all"}:
            blocks = ElementTree.SubElement(listing, "CommittedBlocks")
            for name, start, end in found["committed"] if found is not None else []:
                blocks.append(_element("Block", Name=name, Size=str(end - start)))
        if wanted in {"uncommitted", "all"}:
            blocks = ElementTree.SubElement(listing, "UncommittedBlocks")
            for each in waiting:
                blocks.append(_element("Block", Name=each["id"], Size=str(each["length"])))
        headers = {**self.tag(found), "x-ms-blob-content-length": str(found["length"])} if found is not None else {}
        return self._document(listing, headers)

    def _set_metadata(self, request: Request, place: Place) -> Response:
        self.require(request, place, WRITE, "w")
        _, found = self._found(place)
        self.conditions(request, found)
        changed = self.lake.change(found, metadata=self._given_metadata(request))
        return Response(200, headers={**self.tag(changed), "x-ms-request-server-encrypted": "true"})

    def _delete(self, request: Request, place: Place) -> Response:
        self.require(request, place, DELETE, "wx", parent=True)
        file_system, found = self._found(place)
        self.conditions(request, found)
        if found["directory"] and self.lake.below(file_system, place.path):
            raise self.refused(409, "DirectoryIsNotEmpty", "This operation is not permitted on a non-empty directory.")
        self.lake.delete(file_system, found)
        return Response(202, headers={"x-ms-delete-type-permanent": "true"})

    def _content_headers(self, request: Request) -> dict[str, str]:
        return {name: request.headers[sent] for sent, name in _PROPERTIES.items() if request.headers.get(sent)}

    def _given_metadata(self, request: Request) -> dict[str, str]:
        return {
            name[len("x-ms-meta-") :]: value
            for name, value in request.headers.items()
            if name.lower().startswith("x-ms-meta-")
        }


def _kept(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if value}


def _text(root: ElementTree.Element) -> str:
    return _XML + ElementTree.tostring(root, encoding="unicode")


def _element(tag: str, **texts: str) -> ElementTree.Element:
    """Return an element with one child for each text."""
    made = ElementTree.Element(tag)
    for name, text in texts.items():
        ElementTree.SubElement(made, name).text = text
    return made


def _listed(document: Document, place: Place, *, metadata: bool) -> ElementTree.Element:
    """Return one blob, or one directory, of a list."""
    headers, is_directory = document["headers"], document["directory"]
    content = ("Content-Type", "Content-Encoding", "Content-Language", "Content-MD5", "Cache-Control")
    properties = {
        "Creation-Time": http_time(document["created"]),
        "Last-Modified": http_time(document["changed"]),
        "Etag": document["etag"],
        **({"ResourceType": "directory" if is_directory else "file"} if place.hierarchical else {}),
        "Content-Length": str(document["length"]),
        **{name: headers.get(name, "") for name in (*content, "Content-Disposition")},
        "BlobType": "BlockBlob",
        "LeaseStatus": "unlocked",
        "LeaseState": "available",
        "ServerEncrypted": "true",
    }
    made = _element("Blob", Name=document["path"])
    made.append(_element("Properties", **properties))
    if metadata:
        _add_metadata(made, document["metadata"] | ({"hdi_isfolder": "true"} if is_directory else {}))
    ElementTree.SubElement(made, "OrMetadata")
    return made


def _add_metadata(element: ElementTree.Element, metadata: dict[str, str]) -> None:
    if metadata:
        element.append(_element("Metadata", **metadata))


def _add_wishes(listing: ElementTree.Element, request: Request, most: int) -> None:
    """Add what the client asked for, as the service repeats it."""
    for tag, name in (("Prefix", "prefix"), ("Marker", "marker")):
        if request.query.get(name):
            ElementTree.SubElement(listing, tag).text = request.query[name]
    if "maxresults" in request.query:
        ElementTree.SubElement(listing, "MaxResults").text = str(most)
