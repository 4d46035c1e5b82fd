"""Finds the commit that a request names by a branch, a tag or a commit (GitVersionDescriptor, 7.1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from hol_wizard.practice.devops import bare_git, bare_refs, errors
from hol_wizard.practice.kernel.service import Request
from hol_wizard.practice.kernel.store import Document

BRANCHES, TAGS = "refs/heads/", "refs/tags/"
_KINDS = ("branch", "tag", "commit")
"""Values of `versionType`; the Node client sends the index of a value in this tuple (`GitVersionType`)."""


@dataclass(frozen=True, slots=True)
class Version:
    """The version that a request names, and its commit."""

    kind: str
    """`branch`, `tag` or `commit`."""
    name: str
    commit: str

    @property
    def descriptor(self) -> str:
        """Its form in messages (public: TF401174, TF401175)."""
        return _descriptor(self.kind, self.name)

    @property
    def query(self) -> str:
        """Its form in the URL of an item (official example: `versionType=Branch&versionOptions=None`)."""
        return urlencode({"versionType": self.kind.title(), "version": self.name, "versionOptions": "None"})


@dataclass(frozen=True, slots=True)
class Ref:
    """A branch or a tag."""

    name: str
    """`refs/heads/main`."""
    identity: str
    """What it points to: a commit, or the object of an annotated tag."""
    peeled: str = ""
    """The commit behind an annotated tag."""

    @property
    def commit(self) -> str:
        """The commit that it points to, also through an annotated tag."""
        return self.peeled or self.identity


async def refs(path: Path) -> dict[str, Ref]:
    """Return the branches and tags of a repository by their full names."""
    plain = bare_refs.read(path)
    if plain is not None and not any(name.startswith(TAGS) for name in plain):
        return {name: Ref(name, identity) for name, identity in plain.items() if name.startswith(BRANCHES)}
    # Only git can resolve an annotated tag.
    told = await bare_git.run(path, "for-each-ref", "--format=%(refname) %(objectname) %(*objectname)", BRANCHES, TAGS)
    found = (line.split(" ", 2) for line in told.text.splitlines())
    return {name: Ref(name, identity, peeled) for name, identity, peeled in found}


async def ref_commits(path: Path) -> dict[str, str]:
    """Return the commits of the branches and tags, by their full names."""
    return {name: ref.commit for name, ref in (await refs(path)).items()}


async def branch_heads(path: Path) -> dict[str, str]:
    """Return the commits of the branches, by their full names."""
    return {name: ref.identity for name, ref in (await refs(path)).items() if name.startswith(BRANCHES)}


async def resolve(
    path: Path, request: Request, project: Document, default: str, descriptor: str = "versiondescriptor"
) -> Version:
    """Return the version that a request names; by default the default branch.

    Args:
        path: The bare repository.
        request: With `versionDescriptor.version` and `.versionType`, or `version` and `versionType`.
        project: The project of the repository.
        default: The default branch, `refs/heads/main`; empty in an empty repository.
        descriptor: Name of the descriptor among the query parameters, in lowercase.

    Raises:
        Refused: There is no such version (public: TF401175), or no branch at all (public: VS403403).
    """
    query = request.query
    kind = (query.get(f"{descriptor}.versiontype") or query.get("versiontype") or "branch").lower()
    kind = _KINDS[int(kind)] if kind.isdigit() and int(kind) < len(_KINDS) else kind
    if kind not in _KINDS:
        raise errors.refused(400, f"The value '{kind}' is not a valid GitVersionType.", "ArgumentException", "System")
    name = query.get(f"{descriptor}.version") or query.get("version") or ""
    known = await refs(path)
    if not name:
        if default not in known:
            message = f"VS403403: Cannot find any branches for the {project['name']} repository."
            raise errors.refused(404, message, "GitItemNotFoundException", errors.GIT)
        return Version("branch", default.removeprefix(BRANCHES), known[default].commit)
    if kind == "commit":
        # By its full ID; no source mentions shorter ones.
        is_whole = len(name) == 40 and name.isalnum()
        there = is_whole and (await bare_git.run(path, "cat-file", "-t", name)).text.strip() == "commit"
        commit = name.lower() if there else ""
    else:
        found = known.get(f"{BRANCHES if kind == 'branch' else TAGS}{name}")
        commit = found.commit if found else ""
    if not commit:
        message = f"TF401175: The version descriptor {_descriptor(kind, name)} could not be resolved to a version in "
        message += f"the repository {project['name']}."
        raise errors.refused(404, message, "GitUnresolvableToCommitException", errors.GIT)
    return Version(kind, name, commit)


def _descriptor(kind: str, name: str) -> str:
    return f"<{kind.title()}: {name} >"
