"""Files and folders of a repository at a branch, a tag or a commit (Git - Items, Get and List, 7.1).

Sources: the description; azure-devops 7.1.0b4, `get_item`, `get_item_content`, `get_items` and `get_item_zip`, which
    differ only in `Accept`; azure-devops-node-api, which sends the members of enumerations as numbers; prcode.co.uk of
2023-11-15 ("Download files and folders"): without `$format` a folder is JSON and a file is its content.
"""

from __future__ import annotations

import io
import mimetypes
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from hol_wizard.practice.devops import bare_git, errors
from hol_wizard.practice.devops.versions import Version, resolve
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, attachment
from hol_wizard.practice.kernel.store import Document

PARAMETERS = (
    "path scopePath recursionLevel includeContent includeContentMetadata download $format zipForUnix "
    "versionDescriptor.version versionDescriptor.versionType version versionType"
)
"""Query parameters that have an effect; the last two are in an item's own `url`."""
UNSERVED = "latestProcessedChange resolveLfs sanitize includeLinks versionDescriptor.versionOptions versionOptions"

_RECURSION = {"none": 0, "onelevel": 1, "onelevelplusnestedemptyfolders": 4, "full": 120}
"""`VersionControlRecursionType`, with the numbers of the Node client (`interfaces/GitInterfaces`)."""
_FORMATS = {
    "json": "application/json",
    "zip": "application/zip",
    "text": "text/plain",
    "octetstream": "application/octet-stream",
}
"""Values of `$format`, which takes precedence over `Accept`. The description names only `json` and `zip`."""
_UTF_8 = 65001
"""The code page for UTF-8 in `contentMetadata`."""
_SYMBOLIC_LINK = "120000"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or folder of a tree."""

    path: str
    """`/src/app.py`; the root is `/`."""
    kind: str
    """`blob`, `tree`, or `commit` for a submodule."""
    identity: str
    mode: str = ""

    @property
    def name(self) -> str:
        """Its name without the folder; empty for the root."""
        return self.path.rpartition("/")[2]

    def is_below(self, folder: str) -> bool:
        """Return whether it is a folder, or in that folder at any depth."""
        return folder == "/" or f"{self.path}/".startswith(f"{folder}/")

    def depth_below(self, folder: str) -> int:
        """Return how many levels below a folder it is."""
        return len(PurePosixPath(self.path).parts) - len(PurePosixPath(folder).parts)


class Items:
    """The items of one repository at one version."""

    def __init__(self, request: Request, project: Document, repository: str, path: Path) -> None:
        self._call = request
        self._project = project
        self._repository = repository
        self._path = path

    async def response(self, default: str) -> Response:
        """Return the response to a request.

        Args:
            default: The default branch.

        Raises:
            Refused: The version does not exist or has no such item, or the request has a combination that is not
                served.
        """
        version = await resolve(self._path, self._call, self._project, default)
        one, scope = self._place("path"), self._place("scopepath")
        depth = self._depth()
        if one and (scope or depth):
            # No source says how the service handles these; its own example returns a list of one.
            raise errors.unserved("scopePath" if scope else "recursionLevel", "beside 'path'")
        wanted = one or scope or "/"
        entries = await self._entries(version)
        found = next((each for each in entries if each.path == wanted), None)
        if found is None:
            raise self._missing(wanted, version)
        kind = self._media_type()
        if kind == "application/zip":
            return await self._zip(found, version)
        if found.kind == "blob" and kind != "application/json":
            return await self._content(found, kind)
        if one:
            return Response(200, await self._shown(found, version))
        listed = [each for each in entries if each.is_below(wanted) and each.depth_below(wanted) <= depth]
        value = [await self._shown(each, version) for each in listed]
        return Response(200, {"count": len(value), "value": value})

    # Request

    def _place(self, name: str) -> str:
        """Return a path in the query as `/src/app.py`; empty if it is missing."""
        given = self._call.match.get("path", "") if name == "path" else ""
        given = given or self._call.query.get(name, "")
        return f"/{given.strip('/')}" if given else ""

    def _depth(self) -> int:
        given = self._call.query.get("recursionlevel", "").lower() or "none"
        depth = int(given) if given.isdigit() else _RECURSION.get(given, -1)
        if depth not in _RECURSION.values():
            message = f"The value '{given}' is not a valid VersionControlRecursionType."
            raise errors.refused(400, message, "ArgumentException", "System")
        if depth == _RECURSION["onelevelplusnestedemptyfolders"]:
            raise errors.unserved("recursionLevel", f"with the value '{given}'")
        return depth

    def _media_type(self) -> str:
        wanted = self._call.query.get("$format", "").lower()
        if wanted:
            if wanted not in _FORMATS:
                raise errors.refused(400, f"The format '{wanted}' is not supported.", "ArgumentException", "System")
            return _FORMATS[wanted]
        accepted = self._call.headers.get("Accept", "").lower()
        return next((each for each in _FORMATS.values() if accepted.startswith(each)), "application/octet-stream")

    def _says(self, name: str) -> bool:
        return self._call.query.get(name, "").lower() == "true"

    def _missing(self, wanted: str, version: Version) -> Exception:
        message = (
            f"TF401174: The item '{wanted}' could not be found in the repository '{self._project['name']}' at the "
            f"version specified by '{version.descriptor}' (resolved to commit '{version.commit}')."
        )
        return errors.refused(404, message, "GitItemNotFoundException", errors.GIT)

    # Tree

    async def _entries(self, version: Version) -> list[Entry]:
        """Return all items in the tree of a commit, in git's order, with the root first."""
        root = (await bare_git.run(self._path, "rev-parse", f"{version.commit}^{{tree}}")).text.strip()
        told = await bare_git.run(self._path, "ls-tree", "-z", "-r", "-t", version.commit)
        found = [Entry("/", "tree", root)]
        for line in filter(None, told.text.split("\0")):
            facts, _, name = line.partition("\t")
            mode, kind, identity = facts.split(" ")
            found.append(Entry(f"/{name}", kind, identity, mode))
        return found

    async def _blob(self, entry: Entry) -> bytes:
        return (await bare_git.run(self._path, "cat-file", "blob", entry.identity)).out

    async def _shown(self, entry: Entry, version: Version) -> JsonObject:
        base = f"{self._call.base}/{self._project['organization']}/{self._project['id']}/_apis/git/repositories"
        shown: JsonObject = {
            "objectId": entry.identity,
            "gitObjectType": entry.kind,
            "commitId": version.commit,
            "path": entry.path,
        }
        if entry.kind == "tree":
            shown["isFolder"] = True
        if entry.mode == _SYMBOLIC_LINK:
            shown["isSymLink"] = True
        content = b""
        if entry.kind == "blob" and (self._says("includecontent") or self._says("includecontentmetadata")):
            content = await self._blob(entry)
        if self._says("includecontentmetadata"):
            shown["contentMetadata"] = _metadata(entry, content)
        if self._says("includecontent") and entry.kind == "blob":
            shown["content"] = content.decode("utf-8-sig", "replace")
        # Two slashes: seen in the responses of several organizations (`items//README.md?versionType=Branch&…`).
        return {**shown, "url": f"{base}/{self._repository}/items/{quote(entry.path)}?{version.query}"}

    async def _content(self, entry: Entry, kind: str) -> Response:
        headers = attachment(entry.name) if self._says("download") else {}
        return Response(200, await self._blob(entry), headers, kind)

    async def _zip(self, entry: Entry, version: Version) -> Response:
        """Return the files below a folder; unless it is the root, their paths begin with its name (estimate)."""
        folder = str(PurePosixPath(entry.path).parent) if entry.kind == "blob" else entry.path
        name = PurePosixPath(folder).name
        words = ["archive", "--format=zip"]
        if entry.kind == "blob":
            # After two dashes: a file may have the name of an option, such as --output=HEAD.
            words += [f"{version.commit}:{folder.strip('/')}", "--", entry.name]
        else:
            words += [f"--prefix={name}/"] if name else []
            words += [f"{version.commit}:{folder.strip('/')}"]
        packed = await bare_git.run(self._path, *words, more={"GIT_LITERAL_PATHSPECS": "1"})
        body = packed.out if self._says("zipforunix") else _without_modes(packed.out)
        return Response(200, body, attachment(f"{entry.name or self._project['name']}.zip"), "application/zip")


def _metadata(entry: Entry, content: bytes) -> JsonObject:
    """Return the metadata of a file's content (FileContentMetadata); for a folder, only its name (example)."""
    if entry.kind != "blob":
        return {"fileName": entry.name}
    kind, binary = mimetypes.guess_type(entry.name)[0] or "", b"\0" in content
    image = kind.startswith("image/")
    shown: JsonObject = {"fileName": entry.name}
    if extension := PurePosixPath(entry.name).suffix:
        shown["extension"] = extension.removeprefix(".")
    if binary or image:
        shown |= {"contentType": kind or "application/octet-stream", "isBinary": True}
        return {**shown, "isImage": True} if image else shown
    return {**shown, "contentType": "text/plain", "encoding": _UTF_8}


def _without_modes(packed: bytes) -> bytes:
    """Return a zip archive without the permissions of files (`zipForUnix` keeps them)."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for each in old.infolist():
            plain = zipfile.ZipInfo(each.filename, each.date_time)
            new.writestr(plain, old.read(each), zipfile.ZIP_DEFLATED)
    return made.getvalue()
