"""Azure Container Registry's own lists and properties of repositories, manifests and tags, below `/acr/v1`.

Operations: GetRepositories, GetProperties, DeleteRepository, GetTags, GetTagProperties, DeleteTag, GetManifests,
GetManifestProperties (acr/registry). Their properties cannot be changed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Request, Response
from hol_wizard.practice.kernel.store import Document

if TYPE_CHECKING:
    from hol_wizard.practice.registry.service import ContainerRegistry

_CHANGEABLE = {"deleteEnabled": True, "writeEnabled": True, "readEnabled": True, "listEnabled": True}


class Attributes:
    """Serves the paths below `/acr/v1`."""

    def __init__(self, service: ContainerRegistry) -> None:
        self._service = service
        self._images = service.images
        add = service.router.add
        one = "/acr/v1/{name*}"
        add("GET", "/acr/v1/_catalog", service.catalog, honors="n last")
        add("GET", one + "/_tags", self._tags, honors="n last digest", refuses="orderby")
        add("GET", one + "/_tags/{reference}", self._tag)
        add("DELETE", one + "/_tags/{reference}", self._delete_tag)
        add("GET", one + "/_manifests", self._manifests, honors="n last", refuses="orderby")
        add("GET", one + "/_manifests/{reference}", self._manifest)
        add("GET", one, self._repository)
        add("DELETE", one, self._delete_repository)

    def _about(self, request: Request) -> JsonObject:
        host = request.base.removeprefix("https://")
        return {"registry": host, "imageName": request.match["name"]}

    def _repository(self, request: Request) -> Response:
        place = self._service.known_repository(request)
        manifests, tags = self._images.manifests(*place), self._images.tags(*place)
        return Response(
            200,
            {
                **self._about(request),
                "createdTime": timestamp(min(each["created"] for each in manifests)),
                "lastUpdateTime": timestamp(max(each["updated"] for each in [*manifests, *tags])),
                "manifestCount": len(manifests),
                "tagCount": len(tags),
                "changeableAttributes": _CHANGEABLE,
            },
        )

    def _delete_repository(self, request: Request) -> Response:
        registry, name = self._service.known_repository(request)
        manifests, tags = self._images.manifests(registry, name), self._images.tags(registry, name)
        self._images.forget_repository(registry, name)
        deleted = {"manifestsDeleted": [each["digest"] for each in manifests]}
        return Response(202, {**deleted, "tagsDeleted": [each["name"] for each in tags]})

    def _tags(self, request: Request) -> Response:
        tags = self._images.tags(*self._service.known_repository(request))
        if digest := request.query.get("digest", ""):
            tags = [each for each in tags if each["digest"] == digest]
        return self._service.page(
            request, tags, lambda page: {**self._about(request), "tags": [_tag(each) for each in page]}, _name
        )

    def _found_tag(self, request: Request) -> Document:
        reference = request.match["reference"]
        found = self._images.tag(*self._service.known_repository(request), reference)
        if found is None:
            # azure-cli issue 31569 quotes the text.
            message = "the specified tag does not exist"
            raise self._service.refused(404, "TAG_UNKNOWN", message, detail={"name": reference})
        return found

    def _tag(self, request: Request) -> Response:
        return Response(200, {**self._about(request), "tag": _tag(self._found_tag(request))})

    def _delete_tag(self, request: Request) -> Response:
        tag = self._found_tag(request)
        self._images.untag(tag["registry"], tag["repository"], tag["name"])
        return Response(202)

    def _manifests(self, request: Request) -> Response:
        manifests = self._images.manifests(*self._service.known_repository(request))
        return self._service.page(
            request,
            manifests,
            lambda page: {**self._about(request), "manifests": [self._shown(each) for each in page]},
            lambda each: str(each["digest"]),
        )

    def _manifest(self, request: Request) -> Response:
        self._service.known_repository(request)
        found = self._service.found_manifest(request, request.match["reference"])
        return Response(200, {**self._about(request), "manifest": self._shown(found)})

    def _shown(self, manifest: Document) -> JsonObject:
        config = self._images.config(manifest)
        tags = self._images.tags(manifest["registry"], manifest["repository"])
        platform = {key: config[key] for key in ("architecture", "os") if isinstance(config.get(key), str)}
        return {
            "digest": manifest["digest"],
            "imageSize": manifest["size"],
            "createdTime": timestamp(manifest["created"]),
            "lastUpdateTime": timestamp(manifest["updated"]),
            **platform,
            "mediaType": manifest["media_type"],
            "tags": [each["name"] for each in tags if each["digest"] == manifest["digest"]],
            "changeableAttributes": _CHANGEABLE,
        }


def _name(document: Document) -> str:
    return str(document["name"])


def _tag(tag: Document) -> JsonObject:
    return {
        "name": tag["name"],
        "digest": tag["digest"],
        "createdTime": timestamp(tag["created"]),
        "lastUpdateTime": timestamp(tag["updated"]),
        "signed": False,
        "changeableAttributes": _CHANGEABLE,
    }
