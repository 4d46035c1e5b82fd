"""Branches and tags of a repository, and how far apart they are (Git - Refs, List; Git - Stats, Get and List, 7.1)."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from hol_wizard.practice.devops import bare_git
from hol_wizard.practice.devops.paging import page
from hol_wizard.practice.devops.versions import BRANCHES, TAGS, Ref, Version, refs, resolve
from hol_wizard.practice.kernel.clock import short_timestamp
from hol_wizard.practice.kernel.service import JsonObject, Request, Response
from hol_wizard.practice.kernel.store import Document

_PAGE = 100
"""Number of refs on a page if a continuation token is given without `$top` (Refs - List, `$top`)."""


async def list_refs(request: Request, path: Path, address: str) -> Response:
    """List the branches and tags.

    Args:
        request: With `filter`, `filterContains`, `peelTags`, `$top` and `continuationToken`.
        path: Of the bare repository.
        address: Of the repository in the API.
    """
    beginning = f"refs/{request.query.get('filter', '')}"
    # No source says whether `filterContains` is case-sensitive; here it is not.
    inside = request.query.get("filtercontains", "").lower()
    found = [
        each
        for each in (await refs(path)).values()
        if each.name.startswith(beginning) and inside in each.name.removeprefix(BRANCHES).removeprefix(TAGS).lower()
    ]
    peels = request.query.get("peeltags", "").lower() == "true"
    return page(request, [_shown(request, each, address, peels) for each in found], paged=_PAGE)


def _shown(request: Request, ref: Ref, address: str, peels: bool) -> JsonObject:
    shown: JsonObject = {"name": ref.name, "objectId": ref.identity}
    if peels and ref.peeled:
        shown["peeledObjectId"] = ref.peeled
    creator = {"displayName": request.who.display_name, "id": request.who.id, "uniqueName": request.who.client}
    url = f"{address}/refs?filter={quote(ref.name.removeprefix('refs/'), safe='')}"
    return {**shown, "creator": creator, "url": url}


async def statistics(request: Request, path: Path, project: Document, default: str, address: str) -> Response:
    """Return how far branches are from the base, by default the default branch.

    With `name` the response is about one branch (Stats - Get), else it is a list.

    Raises:
        Refused: There is no such base, or no such branch.
    """
    base = await resolve(path, request, project, default, "baseversiondescriptor")
    if "name" in request.query:
        asked = {"versiondescriptor.version": request.query["name"]}
        named = await resolve(path, Request("GET", "", asked, {}, b"", ""), project, default)
        return Response(200, await _compared(path, named.name, named.commit, base, address))
    value = [
        await _compared(path, name.removeprefix(BRANCHES), ref.commit, base, address)
        for name, ref in (await refs(path)).items()
        if name.startswith(BRANCHES)
    ]
    return Response(200, {"count": len(value), "value": value})


async def _compared(path: Path, name: str, commit: str, base: Version, address: str) -> JsonObject:
    counted = await bare_git.run(path, "rev-list", "--left-right", "--count", f"{base.commit}...{commit}")
    behind, ahead = counted.text.split()
    return {
        "commit": await shown_commit(path, commit, address),
        "name": name,
        "aheadCount": int(ahead),
        "behindCount": int(behind),
        "isBaseVersion": base.kind == "branch" and name == base.name,
    }


async def shown_commit(path: Path, commit: str, address: str) -> JsonObject:
    """Return a commit as these lists show it (official example of Stats - Get)."""
    facts = "%P%x00%T%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B"
    told = (await bare_git.run(path, "show", "--no-patch", f"--format={facts}", commit)).text
    parents, tree, author, mail, when, committer, committer_mail, then, comment = told.split("\0", 8)
    return {
        "parents": parents.split(),
        "treeId": tree,
        "commitId": commit,
        "author": {"name": author, "email": mail, "date": short_timestamp(float(when))},
        "committer": {"name": committer, "email": committer_mail, "date": short_timestamp(float(then))},
        "comment": comment.rstrip("\n"),
        "url": f"{address}/commits/{commit}",
    }
