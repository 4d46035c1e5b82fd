"""What is in the container registries: manifests, tags and blobs.

Documents say what a repository contains; the bytes of a blob are one file, named by its digest and shared by all
registries. A blob that no repository contains any longer is deleted at the next start, as are the parts of an upload
that was never completed.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from pathlib import Path
from typing import Any

from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

INDEXES = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
"""Media types of manifests that list other manifests."""
MANIFESTS = frozenset(
    {
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    }
)
"""Media types of manifests of one image."""


class BlobError(Exception):
    """The bytes do not have the digest that was given for them."""


class MissingBlobError(Exception):
    """A manifest names something that its repository does not contain."""

    def __init__(self, digest: str) -> None:
        super().__init__(digest)
        self.digest = digest


class Images:
    """The contents of all registries. A registry is named by its name in lowercase."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._manifests = world.collection("registry_manifests", self)
        self._tags = world.collection("registry_tags", self)
        self._blobs = world.collection("registry_blobs", self)
        """Which repository contains which blob."""
        self._uploads = world.collection("registry_uploads", self)
        self._folder = world.folder("registry")
        world.on_replaced(self._clear)

    def _clear(self) -> None:
        """Delete files that no document names."""
        kept = {each["digest"].partition(":")[2] for each in self._blobs} | {each["id"] for each in self._uploads}
        if self._folder.is_dir():
            for each in self._folder.iterdir():
                if each.name not in kept:
                    each.unlink(missing_ok=True)

    # Repositories

    def repositories(self, registry: str) -> list[str]:
        """Return the names of a registry's repositories, sorted. A repository exists while it has a manifest."""
        return sorted({each["repository"] for _, each in self._manifests.items(f"{registry}/")})

    def forget_repository(self, registry: str, repository: str) -> None:
        """Delete a repository with everything in it."""
        for collection in (self._manifests, self._tags, self._blobs):
            for key, _ in collection.items(_key(registry, repository)):
                collection.delete(key)

    def forget(self, registry: str) -> None:
        """Delete everything in a registry."""
        for collection in (self._manifests, self._tags, self._blobs, self._uploads):
            for key, _ in collection.items(f"{registry}/"):
                collection.delete(key)

    # Blobs

    def bytes_of(self, registry: str) -> int:
        """Return the size of all blobs of a registry; one that several repositories have counts once."""
        return sum({each["digest"]: int(each["size"]) for _, each in self._blobs.items(f"{registry}/")}.values())

    def blob(self, registry: str, repository: str, digest: str) -> Document | None:
        """Return a blob of a repository: `digest`, `size`."""
        return self._blobs.get(_key(registry, repository, digest))

    def link(self, registry: str, repository: str, blob: Document) -> None:
        """Add a blob of another repository to this one."""
        document = {**blob, "registry": registry, "repository": repository}
        self._blobs.put(_key(registry, repository, blob["digest"]), document)

    def unlink(self, registry: str, repository: str, digest: str) -> None:
        """Remove a blob from a repository."""
        self._blobs.delete(_key(registry, repository, digest))

    def read(self, blob: Document, start: int, end: int) -> bytes:
        """Return the bytes of a blob from `start` up to `end`."""
        with self._file(blob["digest"].partition(":")[2]).open("rb") as stream:
            stream.seek(start)
            return stream.read(end - start)

    def add(self, registry: str, repository: str, data: bytes) -> Document:
        """Add a blob with these bytes; return it."""
        upload = self.begin(registry, repository)
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        return self.complete(self.append(upload, data), digest)

    def _file(self, name: str) -> Path:
        return self._folder / name

    # Uploads

    def begin(self, registry: str, repository: str) -> Document:
        """Begin an upload; return it: `id`, `size`."""
        upload: Document = {"id": uuid.uuid4().hex, "registry": registry, "repository": repository, "size": 0}
        self._uploads.put(f"{registry}/{upload['id']}", upload)
        return upload

    def upload(self, registry: str, repository: str, identity: str) -> Document | None:
        """Return an upload that is in progress."""
        found = self._uploads.get(f"{registry}/{identity}")
        return found if found is not None and found["repository"] == repository else None

    def append(self, upload: Document, data: bytes) -> Document:
        """Append bytes to an upload; return it. Bytes after its size, which a killed server has left, do not count."""
        self._folder.mkdir(exist_ok=True)
        file = self._file(upload["id"])
        file.touch()
        with file.open("r+b") as stream:
            stream.seek(upload["size"])
            stream.write(data)
            stream.truncate()
        upload = {**upload, "size": upload["size"] + len(data)}
        self._uploads.put(f"{upload['registry']}/{upload['id']}", upload)
        return upload

    def complete(self, upload: Document, digest: str) -> Document:
        """Make an upload a blob of its repository; return the blob.

        Raises:
            BlobError: The bytes have another digest.
        """
        self._folder.mkdir(exist_ok=True)
        source, target = self._file(upload["id"]), self._file(digest.partition(":")[2])
        source.touch()
        with source.open("r+b") as stream:
            stream.truncate(upload["size"])
            actual = f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
        if actual != digest:
            raise BlobError(actual)
        if target.exists():
            self._world.store.current.on_commit.append(lambda: source.unlink(missing_ok=True))
        else:
            # Under its digest the file is right, whatever becomes of this transaction.
            source.replace(target)
        self.cancel(upload)
        blob: Document = {
            "registry": upload["registry"],
            "repository": upload["repository"],
            "digest": digest,
            "size": upload["size"],
        }
        self.link(upload["registry"], upload["repository"], blob)
        return blob

    def cancel(self, upload: Document) -> None:
        """Forget an upload."""
        self._uploads.delete(f"{upload['registry']}/{upload['id']}")

    # Manifests

    def find(self, registry: str, repository: str, reference: str) -> Document | None:
        """Return a manifest by digest or tag: `digest`, `media_type`, `content`."""
        digest = reference
        if ":" not in reference:
            tag = self._tags.get(_key(registry, repository, reference))
            if tag is None:
                return None
            digest = str(tag["digest"])
        return self._manifests.get(_key(registry, repository, digest))

    def manifests(self, registry: str, repository: str) -> list[Document]:
        """Return the manifests of a repository by digest."""
        found = [each for _, each in self._manifests.items(_key(registry, repository))]
        return sorted(found, key=lambda each: str(each["digest"]))

    def put(self, registry: str, repository: str, content: bytes, media_type: str, tags: list[str]) -> Document:
        """Add a manifest, and set tags to it; return the manifest.

        Raises:
            MissingBlobError: It names a blob or a manifest that is not in the repository.
            ValueError: It is not a manifest.
        """
        text = content.decode()
        size = self._checked(registry, repository, parsed(text), media_type)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        key, now = _key(registry, repository, digest), self._world.clock.now()
        known = self._manifests.get(key)
        manifest: Document = {
            "registry": registry,
            "repository": repository,
            "digest": digest,
            "media_type": media_type,
            "content": text,
            "size": size,
            "created": known["created"] if known is not None else now,
            "updated": now,
        }
        self._manifests.put(key, manifest)
        for each in tags:
            self._tag(registry, repository, each, digest)
        return manifest

    def _tag(self, registry: str, repository: str, tag: str, digest: str) -> None:
        key, now = _key(registry, repository, tag), self._world.clock.now()
        known = self._tags.get(key)
        self._tags.put(
            key,
            {
                "registry": registry,
                "repository": repository,
                "name": tag,
                "digest": digest,
                "created": known["created"] if known is not None else now,
                "updated": now,
            },
        )

    def _checked(self, registry: str, repository: str, body: dict[str, Any], media_type: str) -> int:
        """Return the size of what a manifest names; all of it must be in the repository."""
        size = 0
        if media_type in INDEXES:
            for each in body["manifests"]:
                child = self._manifests.get(_key(registry, repository, str(each["digest"])))
                if child is None:
                    raise MissingBlobError(str(each["digest"]))
                size += int(child["size"])
            return size
        for each in (body["config"], *body["layers"]):
            if each.get("urls"):
                continue  # such a layer is elsewhere
            blob = self.blob(registry, repository, str(each["digest"]))
            if blob is None:
                raise MissingBlobError(str(each["digest"]))
            size += int(blob["size"])
        return size

    def config(self, manifest: Document) -> dict[str, Any]:
        """Return the configuration of a manifest's image; empty if it has none, as an index."""
        if manifest["media_type"] in INDEXES:
            return {}
        digest = str(parsed(manifest["content"])["config"]["digest"])
        blob = self.blob(manifest["registry"], manifest["repository"], digest)
        if blob is None:
            return {}
        try:
            return parsed(self.read(blob, 0, int(blob["size"])).decode())
        except ValueError:
            return {}  # that of an artifact, which may be anything

    def remove(self, manifest: Document) -> None:
        """Delete a manifest with its tags. Its blobs remain, as other manifests may name them."""
        registry, repository = manifest["registry"], manifest["repository"]
        for tag in self.tags(registry, repository):
            if tag["digest"] == manifest["digest"]:
                self.untag(registry, repository, tag["name"])
        self._manifests.delete(_key(registry, repository, manifest["digest"]))

    def copy(self, manifest: Document, registry: str, repository: str, tags: list[str]) -> None:
        """Copy a manifest with everything that it names to another repository, and set tags to it there."""
        source = manifest["registry"], manifest["repository"]
        body = parsed(manifest["content"])
        if manifest["media_type"] in INDEXES:
            for each in body["manifests"]:
                child = self._manifests.get(_key(*source, str(each["digest"])))
                if child is None:
                    raise MissingBlobError(str(each["digest"]))
                self.copy(child, registry, repository, [])
        else:
            for each in (body["config"], *body["layers"]):
                blob = self.blob(*source, str(each["digest"]))
                if blob is not None:
                    self.link(registry, repository, blob)
        self.put(registry, repository, manifest["content"].encode(), manifest["media_type"], tags)

    # Tags

    def tags(self, registry: str, repository: str) -> list[Document]:
        """Return the tags of a repository by name: `name`, `digest`."""
        found = [each for _, each in self._tags.items(_key(registry, repository))]
        return sorted(found, key=lambda each: str(each["name"]))

    def tag(self, registry: str, repository: str, name: str) -> Document | None:
        """Return a tag of a repository."""
        return self._tags.get(_key(registry, repository, name))

    def untag(self, registry: str, repository: str, tag: str) -> None:
        """Delete a tag; the manifest remains."""
        self._tags.delete(_key(registry, repository, tag))


def parsed(text: str) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        ValueError: It is none.
    """
    body = json.loads(text)
    if not isinstance(body, dict):
        raise ValueError("this is not a JSON object")
    return body


def _key(registry: str, repository: str, name: str = "") -> str:
    """Return the key of a document; without a name, the beginning of the keys of all documents of a repository.

    Names are in hex, since tags are case-sensitive and keys are not.
    """
    return f"{registry}/{repository.encode().hex()}/{name.encode().hex()}"
