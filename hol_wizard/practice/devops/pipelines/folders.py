"""Folders of build definitions (Build - Folders, 7.1; recorded with az)."""

from __future__ import annotations

from typing import Final

from hol_wizard.practice.devops import errors
from hol_wizard.practice.devops.pipelines import scope
from hol_wizard.practice.devops.pipelines.definition_body import folder
from hol_wizard.practice.devops.pipelines.definitions import Definitions
from hol_wizard.practice.devops.pipelines.scope import BUILD, PROJECT, Place, Scope, invalid
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response, Router, text
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_ORDERS: Final = ("none", "folderAscending", "folderDescending")
_ROOT: Final = "\\"


class Folders(Register):
    """The folders of every project, except for the root folders, which always exist."""

    collection = "devops_definition_folders"

    def key(self, document: Document) -> str:
        """Return the key of a folder."""
        return f"{document['project']}{document['path']}"

    def of(self, place: Place) -> list[Document]:
        """Return the folders of a project."""
        return [each for each in self.all() if each["project"] == place.id]


class FolderRequests:
    """Handles requests about folders."""

    def __init__(self, world: World, router: Router, requests: Scope) -> None:
        self._world = world
        self._folders = world.part(Folders)
        self._definitions = world.part(Definitions)
        self._scope = requests
        path = f"{PROJECT}/build/folders"
        router.add("GET", path, self._list, honors="queryOrder")
        router.add("GET", f"{path}/{{path*}}", self._list, honors="queryOrder")
        router.add("PUT", path, self._create, honors="path")
        router.add("POST", path, self._change, honors="path")
        router.add("DELETE", path, self._delete, honors="path")

    def _list(self, request: Request) -> Response:
        """List a folder and everything below it, or all folders."""
        place, below = self._scope.read(request), folder(request.match.get("path"))
        order = scope.choice(request, "queryOrder", _ORDERS)
        root = {"path": _ROOT, "created": place.project["created"], "by": place.project["owner"], "description": None}
        found = [each for each in (root, *self._folders.of(place)) if _inside(str(each["path"]), below)]
        if order.startswith("folder"):
            found.sort(key=lambda each: str(each["path"]).lower(), reverse=order.endswith("Descending"))
        return Response(200, {"count": len(found), "value": [self._shown(request, place, each) for each in found]})

    def _find(self, request: Request, place: Place) -> Document:
        path = folder(request.query.get("path"))
        found = self._folders.find(f"{place.id}{path}")
        if found is None:
            raise _not_found(path)
        return found

    def _create(self, request: Request) -> Response:
        place = self._scope.contribute(request, "Edit build pipeline")
        path = folder(request.query.get("path"))
        if path == _ROOT or self._folders.find(f"{place.id}{path}") is not None:
            message = f"The folder {path} already exists."
            raise errors.refused(409, message, "FolderExistsException", BUILD)
        made: Document = {
            "project": place.id,
            "path": path,
            "description": text(request.json, "description") or None,
            "created": self._world.clock.now(),
            "by": request.who.id,
            "changed": None,
        }
        self._folders.keep(made)
        return Response(200, self._shown(request, place, made))

    def _change(self, request: Request) -> Response:
        """Change the description of a folder, or move it with its pipelines (recorded: Folders - Update)."""
        place = self._scope.contribute(request, "Edit build pipeline")
        found, body = self._find(request, place), request.json
        target = folder(text(body, "path")) if text(body, "path") else found["path"]
        if target == _ROOT:
            raise invalid("A folder cannot become the root folder.")
        description = text(body, "description") if "description" in body else found["description"]
        changed = {"changed": self._world.clock.now(), "changer": request.who.id}
        for each in self._folders.of(place):
            if _inside(each["path"], found["path"]):
                moved = target + each["path"][len(found["path"]) :]
                self._folders.remove(self._folders.key(each))
                more = {"description": description} if each["path"] == found["path"] else {}
                self._folders.keep({**each, "path": moved, **changed, **more})
        for each in self._definitions.of(place):
            if _inside(each["path"], found["path"]) and target != found["path"]:
                body = {**each["revisions"][-1]["body"], "path": target + each["path"][len(found["path"]) :]}
                self._definitions.change(place, each, request.who.id, body, "")
        return Response(200, self._shown(request, place, self._folders.find(f"{place.id}{target}") or found))

    def _delete(self, request: Request) -> Response:
        """Delete a folder with everything in it ("Deletes a definition folder. Definitions and their corresponding
        builds will also be deleted.")."""
        place = self._scope.contribute(request, "Delete build pipeline")
        path = self._find(request, place)["path"]
        for each in self._folders.of(place):
            if _inside(each["path"], path):
                self._folders.remove(self._folders.key(each))
        for each in self._definitions.of(place):
            if _inside(each["path"], path):
                self._definitions.delete(each)
        return Response(204)

    def _shown(self, request: Request, place: Place, found: Document) -> JsonObject:
        changed = found.get("changed")
        changes = (
            {
                "lastChangedBy": self._scope.identity(request, place, found["changer"]),
                "lastChangedDate": timestamp(changed),
            }
            if changed
            else {}
        )
        return {
            "path": found["path"],
            "description": found["description"],
            "createdOn": timestamp(found["created"]),
            "createdBy": self._scope.identity(request, place, found["by"]),
            **changes,
            "project": self._scope.reference(request, place),
        }


def _inside(path: str, folder_path: str) -> bool:
    """Return whether a folder is another one, or below it."""
    return f"{path.lower().rstrip(_ROOT)}{_ROOT}".startswith(f"{folder_path.lower().rstrip(_ROOT)}{_ROOT}")


def _not_found(path: str) -> Refused:
    return errors.refused(404, f"The folder {path} could not be found.", "FolderNotFoundException", BUILD)
