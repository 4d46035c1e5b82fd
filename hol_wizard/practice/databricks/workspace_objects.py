"""The tree of a workspace: Workspace_get_status, _list, _export, _import, _mkdirs and _delete.

The contents of a Git folder are read from and written to its work tree.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from hol_wizard.practice.databricks import address, errors, exports
from hol_wizard.practice.databricks.git_folders import GitFolders, plain
from hol_wizard.practice.databricks.records import Members
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router, attachment
from hol_wizard.practice.kernel.world import World

NOTEBOOK = b"# Databricks notebook source"
"""The first line that marks a Python file in a Git folder as a notebook
(learn.microsoft.com/azure/databricks/notebooks/ notebook-export-import)."""
_PATH = "/api/2.0/workspace"
_MOST = 10 << 20
"""Maximum bytes of an import or an export."""
_FOLDERS = frozenset({"DIRECTORY", "REPO"})
_ALWAYS = ("/", "/Users", "/Shared", "/Repos")


class WorkspaceObjects:
    """Folders, files and notebooks of each workspace."""

    def __init__(self, world: World, router: Router, folders: GitFolders) -> None:
        self._world = world
        self._documents = world.part(address.Contents).collection("databricks_objects", self)
        self._members = world.part(Members)
        self._folders = folders
        folders.taken = lambda workspace, path: self._own(workspace, path) is not None
        folders.has_folder = self._is_folder
        router.add("GET", f"{_PATH}/get-status", self._get_status, honors="path")
        router.add("GET", f"{_PATH}/list", self._list, honors="path", refuses="notebooks_modified_after")
        router.add("GET", f"{_PATH}/export", self._export, honors="path format direct_download", refuses="outputs")
        router.add("POST", f"{_PATH}/import", self._import)
        router.add("POST", f"{_PATH}/mkdirs", self._mkdirs)
        router.add("POST", f"{_PATH}/delete", self._delete)

    # What is there

    def _homes(self, workspace: str) -> list[str]:
        found = self._members.of(workspace)
        return [f"/{top}/{each.client}" for top in ("Users", "Repos") for each in found]

    def source(self, workspace: str, path: str) -> bytes | None:
        """Return a notebook's source for a run, also from a Git folder; None if there is none."""
        path = plain(path)
        inside = self._folders.at(workspace, path)
        if inside is not None:
            return _notebook(inside[1])
        kept = self._documents.get(f"{workspace}{path}")
        return None if kept is None or kept["type"] != "NOTEBOOK" else base64.b64decode(kept["content"])

    def beside(self, workspace: str, path: str) -> Iterator[tuple[str, bytes]]:
        """Return the files in a notebook's folder by name, for a run; notebooks are converted to Python files."""
        folder = plain(path).rpartition("/")[0]
        inside = self._folders.at(workspace, folder)
        if inside is not None:
            files = sorted(inside[1].iterdir()) if inside[1].is_dir() else []
            yield from ((each.name, each.read_bytes()) for each in files if each.is_file() and not each.is_symlink())
            return
        for each in self._documents:
            if each["workspace"] == workspace and str(each["path"]).rpartition("/")[0] == folder:
                ending = {"NOTEBOOK": ".py", "FILE": ""}.get(each["type"])
                if ending is not None:
                    yield f"{each['path'].rpartition('/')[2]}{ending}", base64.b64decode(each["content"])

    def _own(self, workspace: str, path: str) -> JsonObject | None:
        """Return the description of an object outside Git folders, or None."""
        if path in _ALWAYS or path in self._homes(workspace):
            return _told(workspace, path, "DIRECTORY")
        kept = self._documents.get(f"{workspace}{path}")
        return None if kept is None else _told(workspace, path, kept["type"])

    def _is_folder(self, workspace: str, path: str) -> bool:
        found = self._own(workspace, path or "/")
        return found is not None and found["object_type"] == "DIRECTORY"

    def _status(self, workspace: str, path: str) -> JsonObject | None:
        inside = self._folders.at(workspace, path)
        if inside is None:
            return self._own(workspace, path)
        folder, file = inside
        if path == folder["path"]:
            return {**_told(workspace, path, "REPO"), "object_id": folder["id"]}
        if file.is_dir() and file.name != ".git":
            return _told(workspace, path, "DIRECTORY")
        if _notebook(file) is not None:
            return _told(workspace, path, "NOTEBOOK")
        if file.is_file() and not _is_notebook(file):
            return {**_told(workspace, path, "FILE"), "size": file.stat().st_size}
        return None

    def _require(self, request: Request, path: str) -> JsonObject:
        found = self._status(request.thing, path)
        if found is None:
            # Quoted by terraform-provider-databricks; the apostrophe depends on the version.
            raise errors.missing(f"Path ({path}) doesn't exist.")
        return found

    def _get_status(self, request: Request) -> Response:
        return Response(200, self._require(request, plain(request.query.get("path", ""))))

    def _list(self, request: Request) -> Response:
        path = plain(request.query.get("path", ""))
        found = self._require(request, path)
        if found["object_type"] not in _FOLDERS:
            return Response(200, {"objects": [found]})
        shown = self._inside(request, path)
        return Response(200, {"objects": shown} if shown else {})

    def _inside(self, request: Request, path: str) -> list[JsonObject]:
        """Return the descriptions of all objects in a folder."""
        base, inside = path.rstrip("/"), self._folders.at(request.thing, path)
        if inside is not None:
            files = sorted(each for each in inside[1].iterdir() if each.name != ".git")
            names = [each.stem if _is_notebook(each) else each.name for each in files]
            paths = [f"{base}/{name}" for name in names]
        else:
            paths = [str(each["path"]) for each in self._documents if each["workspace"] == request.thing]
            paths += [*_ALWAYS[1:], *self._homes(request.thing)]
            paths += [str(each["path"]) for each in self._folders.below(request.thing, base)]
            paths = [each for each in paths if each.rpartition("/")[0] == base]
        return [told for each in paths if (told := self._status(request.thing, each)) is not None]

    def _export(self, request: Request) -> Response:
        """Export a notebook, a file or a folder (Workspace_export; databricks-sdk, `ExportFormat`)."""
        path, wanted = plain(request.query.get("path", "")), request.query.get("format", "SOURCE")
        if wanted not in exports.FORMATS:
            raise errors.invalid(f"Unsupported format {wanted}. Supported: {', '.join(exports.FORMATS)}.")
        found = self._require(request, path)
        name, kind = path.rpartition("/")[2], str(found["object_type"])
        if kind in _FOLDERS and wanted in {"SOURCE", "AUTO"}:
            entries = list(self._files(request, path, with_files=wanted == "AUTO"))
            exported = exports.archive(name, [(each.removeprefix(path), content) for each, content in entries])
        elif kind == "NOTEBOOK":
            exported = exports.notebook(name, self._content(request, path), wanted)
        elif kind == "FILE" and wanted in {"SOURCE", "AUTO"}:
            exported = exports.file(name, self._content(request, path))
        else:
            raise errors.invalid(f"{kind} cannot be exported in this format.")
        _check_size(exported.content)
        if request.query.get("direct_download", "").lower() == "true":
            return Response(200, exported.content, attachment(exported.name), "application/octet-stream")
        return Response(200, {"content": base64.b64encode(exported.content).decode(), "file_type": exported.file_type})

    def _content(self, request: Request, path: str) -> bytes:
        inside = self._folders.at(request.thing, path)
        if inside is None:
            return base64.b64decode(self._kept(request, path))
        source = _notebook(inside[1])
        return inside[1].read_bytes() if source is None else source

    def _files(self, request: Request, path: str, *, with_files: bool) -> Iterator[tuple[str, bytes]]:
        """Return the notebooks in a folder and below it by path, and optionally the files."""
        for each in self._inside(request, path):
            if each["object_type"] in _FOLDERS:
                yield from self._files(request, each["path"], with_files=with_files)
            elif each["object_type"] == "NOTEBOOK":
                yield f"{each['path']}.py", self._content(request, each["path"])
            elif with_files:
                yield each["path"], self._content(request, each["path"])

    def _kept(self, request: Request, path: str) -> str:
        return str((self._documents.get(f"{request.thing}{path}") or {}).get("content", ""))

    # Changes

    def _import(self, request: Request) -> Response:
        path, text = plain(str(request.json.get("path") or "")), str(request.json.get("content") or "")
        try:
            content = base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise errors.invalid("The content is not base64.") from error
        _check_size(content)
        if self._status(request.thing, path) is not None and not request.json.get("overwrite"):
            raise errors.refused(400, "RESOURCE_ALREADY_EXISTS", f"Path ({path}) already exists.")
        inside = self._folders.at(request.thing, path)
        if inside is not None:
            file = inside[1]
            if content.startswith(NOTEBOOK):
                file = file.with_name(f"{file.name}.py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            return Response(200, {})
        self._check_free(request, path)
        if not self._is_folder(request.thing, path.rpartition("/")[0]):
            raise errors.missing(f"The parent folder ({path.rpartition('/')[0]}) does not exist.")
        kind = "FILE" if str(request.json.get("format") or "").upper() in {"AUTO", "RAW"} else "NOTEBOOK"
        self._documents.put(
            f"{request.thing}{path}", {"workspace": request.thing, "path": path, "type": kind, "content": text}
        )
        return Response(200, {})

    def _mkdirs(self, request: Request) -> Response:
        path = plain(str(request.json.get("path") or ""))
        parts = path.strip("/").split("/")
        for count in range(1, len(parts) + 1):
            each = "/" + "/".join(parts[:count])
            found, inside = self._status(request.thing, each), self._folders.at(request.thing, each)
            if found is not None and found["object_type"] not in {"DIRECTORY", "REPO"}:
                raise errors.refused(400, "RESOURCE_ALREADY_EXISTS", f"Path ({each}) already exists.")
            if found is None and inside is not None:
                inside[1].mkdir(exist_ok=True)
            elif found is None:
                self._check_free(request, each)
                self._documents.put(
                    f"{request.thing}{each}", {"workspace": request.thing, "path": each, "type": "DIRECTORY"}
                )
        return Response(200, {})

    def _check_free(self, request: Request, path: str) -> None:
        """Check that no other request is creating a Git folder at a path.

        Raises:
            Refused: One is.
        """
        if self._folders.is_being_made(request.thing, path):
            raise errors.refused(400, "RESOURCE_ALREADY_EXISTS", f"Path ({path}) already exists.")

    def _delete(self, request: Request) -> Response:
        path = plain(str(request.json.get("path") or ""))
        found = self._require(request, path)
        if path in _ALWAYS or path in self._homes(request.thing):
            # The code is from databricks-sdk; its use here, and the text, are estimates.
            raise errors.refused(400, "DIRECTORY_PROTECTED", f"Folder ({path}) is protected.")
        inside = self._folders.at(request.thing, path)
        if found["object_type"] == "DIRECTORY" and not request.json.get("recursive") and self._filled(request, path):
            # The text is from terraform-provider-databricks issue 2554, the code from databricks-sdk's `delete`.
            raise errors.refused(400, "DIRECTORY_NOT_EMPTY", f"Folder ({path}) is not empty")
        if inside is not None and found["object_type"] != "REPO":
            file = inside[1]
            if found["object_type"] == "NOTEBOOK":
                file = file.with_name(f"{file.name}.py")
            if file.is_dir():
                shutil.rmtree(file)
            else:
                file.unlink(missing_ok=True)
            return Response(200, {})
        for each in self._folders.all_below(request.thing, path):
            self._folders.remove(each)
        for key, document in self._documents.items():
            if document["workspace"] == request.thing and f"{key}/".startswith(f"{request.thing}{path}/".lower()):
                self._documents.delete(key)
        return Response(200, {})

    def _filled(self, request: Request, path: str) -> bool:
        inside = self._folders.at(request.thing, path)
        if inside is not None:
            return any(inside[1].iterdir())
        prefix = f"{request.thing}{path}/".lower()
        return bool(self._folders.all_below(request.thing, path)) or any(
            key.startswith(prefix) for key, _ in self._documents.items()
        )


def _check_size(content: bytes) -> None:
    """Refuse content that is too large for an import or an export.

    databricks-sdk, `WorkspaceAPI.import_` and `ExportResponse`; the text is quoted in databricks/automl issue 112.

    Raises:
        Refused: It is too large.
    """
    if len(content) > _MOST:
        message = f"File size imported is {len(content)} bytes), exceeded max size ({_MOST} bytes)"
        raise errors.refused(400, "MAX_NOTEBOOK_SIZE_EXCEEDED", message)


def _is_notebook(file: Path) -> bool:
    return file.suffix == ".py" and file.is_file() and file.read_bytes().startswith(NOTEBOOK)


def _notebook(path: Path) -> bytes | None:
    """Return the source of the notebook at a path, which is shown without its extension; None if there is none."""
    file = path.with_name(f"{path.name}.py")
    return file.read_bytes() if _is_notebook(file) else None


def _told(workspace: str, path: str, kind: str) -> JsonObject:
    identity = int(hashlib.sha256(f"{workspace}{path}".encode()).hexdigest()[:13], 16)
    told: JsonObject = {"object_id": identity, "object_type": kind, "path": path, "resource_id": str(identity)}
    return {**told, "language": "PYTHON"} if kind == "NOTEBOOK" else told
