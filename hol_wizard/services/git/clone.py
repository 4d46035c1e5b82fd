"""A clone of the repository on this machine: the state of its work tree, and fetching, pulling and pushing."""

from __future__ import annotations

import glob
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from hol_wizard.errors import ConflictError
from hol_wizard.services.git.remote import GitRemote

_REPOSITORY = "hol-wizard.repository"
_LAB = "hol-wizard.lab"
"""Setting of the clone."""
_OURS = " hol_wizard git-credential"
"""Part of the credential helper that a wizard sets in a clone."""
_LONGEST: Final = 1000
"""Maximum number of characters of a line in a diff."""
_DOING = {
    "MERGE_HEAD": "a merge",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
}
"""Files in `.git` that show an unfinished operation (gitrepository-layout)."""


@dataclass(frozen=True, slots=True)
class WorkTree:
    """The state of a work tree."""

    branch: str
    """Empty if no branch is checked out (a detached HEAD)."""
    upstream: str = ""
    """`origin/alex`; empty if the branch has no upstream."""
    ahead: int = 0
    """Commits that are not pushed."""
    behind: int = 0
    """Commits that are not pulled, as of the last fetch."""
    changed: tuple[str, ...] = ()
    """Paths with changes that are not committed."""
    untracked: tuple[str, ...] = ()
    """Paths that git neither tracks nor ignores."""
    conflicts: tuple[str, ...] = ()
    """Paths with conflicting changes."""
    doing: str = ""
    """The unfinished operation: `a merge`, `a rebase`."""

    @property
    def is_clean(self) -> bool:
        """Whether everything in it is committed."""
        return not (self.changed or self.untracked or self.conflicts or self.doing)

    def __str__(self) -> str:
        """Return it in plain words."""
        words = []
        if self.conflicts:
            words.append(f"there are conflicting changes in {some_of(self.conflicts)}")
        if self.doing:
            words.append(f"{self.doing} is in progress")
        if self.changed:
            words.append(f"{counted(len(self.changed), 'file')} changed and not committed")
        if self.untracked:
            words.append(f"{counted(len(self.untracked), 'new file')} that git does not track")
        if self.ahead:
            words.append(f"{counted(self.ahead, 'commit')} not pushed")
        if self.behind:
            words.append(f"{counted(self.behind, 'commit')} not pulled")
        return ", ".join(words) or "everything is committed and pushed"


def _added_lines(diff: str) -> dict[str, list[tuple[int, str]]]:
    """Return the lines that a diff without context and prefixes adds, with their numbers, by path."""
    found: dict[str, list[tuple[int, str]]] = {}
    path, number, is_head = "", 0, False
    # Not at other characters that end a line in Python: what follows them would have no mark.
    for line in diff.split("\n"):
        if line.startswith("diff --git "):
            is_head = True
        elif is_head and line.startswith("+++ "):
            path = line[4:].strip().strip('"')
        elif line.startswith("@@ "):
            is_head = False
            # "@@ -1,2 +3,4 @@": the added lines begin at 3.
            number = int(line.split(" ")[2].lstrip("+").partition(",")[0])
        elif not is_head and line.startswith("+"):
            found.setdefault(path, []).append((number, line[1:]))
            number += 1
    return found


def _shortened(line: str) -> str:
    """Return a line without its end if it is very long, as the pictures in a notebook are."""
    cut = len(line) - _LONGEST
    return f"{line[:_LONGEST]} … ({counted(cut, 'more character')})" if cut > 0 else line


def counted(number: int, thing: str) -> str:
    """Return a number of things in words: `1 file`, `2 files`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def some_of(paths: Sequence[str]) -> str:
    """Return the first three paths, and how many more there are."""
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


def _without_user(address: str) -> str:
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _is_free(folder: Path) -> bool:
    """Return whether a path does not exist, or is an empty folder."""
    if not os.path.lexists(folder):
        return True
    return folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())


_LOCK: Final = "hol-wizard.lock"
"""Lock file in the folder of a new clone: its creator holds it, and it identifies the folder as a wizard's."""


@contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    """Provide a temporary folder next to another one for a new clone; those that a kill has left behind are removed."""
    from filelock import FileLock, Timeout

    prefix = f".{folder.name[:50]}-cloning-"
    for left in folder.parent.glob(f"{glob.escape(prefix)}*"):
        lock = left / _LOCK
        if left.is_symlink() or not lock.is_file():
            continue
        # Somebody may be using it: another profile's clone may be in the same parent folder.
        with suppress(Timeout, OSError), FileLock(lock, timeout=0):
            shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        with FileLock(made / _LOCK):
            yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


class Clone:
    """A folder with a clone of one repository."""

    def __init__(self, folder: Path, remote: GitRemote) -> None:
        """Create the object without reading anything.

        Args:
            folder: Its folder, which need not exist.
            remote: Its repository.
        """
        self.folder = folder
        self.remote = remote

    def _git(self, *words: str, far: bool = False, nothing: bool = False) -> str:
        """Run git in the folder, and return what it printed.

        Args:
            words: Command and arguments.
            far: Whether it contacts the repository, and may ask for the sign-in.
            nothing: Whether exit code 1 means that there is nothing to print.
        """
        # File names unescaped.
        settings = (("core.quotePath", "false"), ("log.showSignature", "false"))
        done = self.remote.run(self.folder, words, far=far, settings=settings, nothing=nothing)
        return done.decode("utf-8", "replace")

    def _answer(self, *words: str) -> str:
        """Return git's answer to a question that it answers with exit code 1 if there is nothing; empty in that case.

        Raises:
            WizardError: git refuses to answer, which is not the answer that there is nothing: the folder belongs to
                another user, or a file of settings is damaged.
        """
        return self._git(*words, nothing=True)

    @property
    def is_there(self) -> bool:
        """Whether the folder is the top of a git work tree."""
        return (self.folder / ".git").exists()

    @property
    def is_free(self) -> bool:
        """Whether its path does not exist, or is an empty folder."""
        return _is_free(self.folder)

    @property
    def lab(self) -> str:
        """The ID of the lab whose wizard created it; empty if none did."""
        return self._setting(_LAB)

    @property
    def origin(self) -> str:
        """The address that it was cloned from, without a user name; empty if it has none."""
        return _without_user(self._setting("remote.origin.url"))

    def other_name(self, url: str) -> str:
        """Return the name of the remote at this address if it is not `origin`; empty if there is none.

        The setting `clone.defaultRemoteName` gives a clone that was made by hand another name.
        """
        for line in self._answer("config", "--get-regexp", r"^remote\..*\.url$").splitlines():
            name, _, address = line.partition(" ")
            name = name.removeprefix("remote.").removesuffix(".url")
            if name != "origin" and self._is_same(_without_user(address), url):
                return name
        return ""

    def is_of(self, url: str) -> bool:
        """Return whether it is a clone of the repository at this address."""
        return self._is_same(self.origin, url)

    def _is_same(self, address: str, url: str) -> bool:
        return address.rstrip("/").lower() == url.rstrip("/").lower() or (
            self.remote.is_at(url) and self.remote.is_at(address)
        )

    @property
    def repository(self) -> str:
        """The ID of its repository, as recorded by the wizard; empty if it was not recorded.

        The address is not enough: a project that is deleted and created again has the same address.
        """
        return self._setting(_REPOSITORY)

    def _setting(self, name: str) -> str:
        if found := self._answer("config", "--get", name).strip():
            return found
        self._demand()
        return ""

    def _demand(self) -> None:
        """Let git say why it refuses the folder, if it does: its command for settings reads the other files only."""
        self._git("rev-parse", "--git-dir")

    def _settings(self, name: str) -> list[str]:
        """Return the values of a setting in the clone's own configuration."""
        return self._answer("config", "--local", "--get-all", name).splitlines()

    @property
    def aside(self) -> Path:
        """Where it would be moved to make room for another: the first free name next to it."""
        numbers = itertools.count(1)
        names = (self.folder.with_name(f"{self.folder.name}-{number}") for number in numbers)
        # A broken link also occupies its name.
        return next(path for path in names if not os.path.lexists(path))

    def set_aside(self) -> Path:
        """Rename it with everything in it, and return its new path.

        Raises:
            ConflictError: Another program has it open.
        """
        to = self.aside
        try:
            self.folder.rename(to)
        except OSError as error:
            raise ConflictError(
                f"{self.folder} could not be renamed to {to.name}: {error.strerror or error}.",
                "Close the programs that have it open, or move it by hand.",
            ) from error
        return to

    def make(self, progress: Callable[[str], None], repository: str = "", lab: str = "") -> None:
        """Clone the repository into the folder, and record its origin before it is moved to its final path.

        Args:
            progress: Called with the progress.
            repository: The repository's ID; empty if not recorded.
            lab: The lab's ID; empty if not recorded.

        Raises:
            ConflictError: Something else is in the folder.
            WizardError: The error that git reports.
        """
        if not _is_free(self.folder):
            raise ConflictError(
                f"{self.folder} already contains something else.",
                "Move it, or choose another folder for your clone: --clone-folder FOLDER",
            )
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            # Next to it first, so that what a kill leaves behind cannot be mistaken for a complete clone.
            with _workshop(self.folder) as workshop:
                beside = workshop / "clone"
                self.remote.clone_to(beside, progress)
                for name, value in ((_REPOSITORY, repository), (_LAB, lab)):
                    if value:
                        self.remote.run(beside, ("config", "--local", name, value), far=False)
                if self.folder.exists():
                    self.folder.rmdir()
                beside.rename(self.folder)
        except OSError as error:
            raise ConflictError(
                f"The clone could not be put into {self.folder}: {error.strerror or error}.",
                "Close the programs that have the folder open, then continue.",
            ) from error

    def settle(self, repository: str, helper: str, ca_bundle: Path | None) -> None:
        """Record its repository, and let git use the wizard's sign-in, unless the clone has its own credential helper.

        The setting names the helper that asks for the sign-in; it never contains the sign-in.

        Args:
            repository: The repository's ID.
            helper: Command that implements git's credential protocol.
            ca_bundle: Certificates of a cloud with its own certificate authority.
        """
        self._demand()
        self._git("config", "--local", _REPOSITORY, repository)
        parts = urlsplit(self.remote.url)
        host = f"{parts.scheme}://{parts.netloc}"
        name = f"credential.{host}.helper"
        # The creator of the clone may have set another helper, which is kept.
        if all(not each or _OURS in each for each in self._settings(name)):
            # An empty one first, so that this machine's helpers are not asked for this host.
            self._git("config", "--local", "--replace-all", name, "")
            self._git("config", "--local", "--add", name, f"!{helper}")
        if ca_bundle is not None:
            self._git("config", "--local", f"http.{host}/.sslCAInfo", ca_bundle.as_posix())
            # Such a cloud is on this machine. Unlike `GIT_SSL_CAINFO`, a proxy variable gives way to a setting.
            self._git("config", "--local", f"http.{host}/.proxy", "")

    def state(self) -> WorkTree:
        """Return the state of the work tree, without contacting the repository."""
        branch = upstream = ""
        ahead = behind = 0
        changed: list[str] = []
        untracked: list[str] = []
        conflicts: list[str] = []
        # Paths whatever characters are in them.
        lines = iter(self._git("status", "--porcelain=v2", "--branch", "--untracked-files=all", "-z").split("\0"))
        for line in lines:
            kind, _, rest = line.partition(" ")
            if line.startswith("# branch.head ") and not line.endswith("(detached)"):
                branch = line.split(" ", 2)[2]
            elif line.startswith("# branch.upstream "):
                upstream = line.split(" ", 2)[2]
            elif line.startswith("# branch.ab "):
                ahead, behind = (abs(int(each)) for each in line.split()[2:4])
            elif kind == "?":
                untracked.append(rest)
            elif kind == "u":
                conflicts.append(rest.split(" ", 9)[-1])
            elif kind == "1":
                changed.append(rest.split(" ", 7)[-1])
            elif kind == "2":
                changed.append(rest.split(" ", 8)[-1])
                next(lines)  # its earlier path
        inside = self.folder / self._git("rev-parse", "--git-dir").strip()
        doing = next((words for name, words in _DOING.items() if (inside / name).exists()), "")
        return WorkTree(branch, upstream, ahead, behind, tuple(changed), tuple(untracked), tuple(conflicts), doing)

    def fetch(self) -> None:
        """Fetch from the repository; changes no file."""
        self._git("fetch", "--quiet", "--prune", "origin", far=True)

    def has_remote_branch(self, branch: str) -> bool:
        """Return whether the repository had this branch at the last fetch."""
        return self._has(f"refs/remotes/origin/{branch}")

    def _has(self, reference: str) -> bool:
        # The output also contains refs below it: refs/heads/alex/one for refs/heads/alex.
        return reference in self._git("for-each-ref", "--format=%(refname)", reference).splitlines()

    def switch(self, branch: str, start: str) -> None:
        """Check out a branch: the local one, otherwise the repository's, otherwise a new one.

        Args:
            branch: Its name.
            start: The start of a new branch: `origin/main`.

        Raises:
            ConflictError: Uncommitted changes prevent this.
        """
        state = self.state()
        if state.branch == branch:
            return
        if not state.is_clean:
            raise ConflictError(
                f"In {self.folder}: {state}. git cannot switch branches with these changes.",
                "Commit it (git add --all; git commit), or stash it (git stash --include-untracked), then continue.",
            )
        if self._has(f"refs/heads/{branch}"):
            self._git("switch", "--quiet", branch)
        elif self.has_remote_branch(branch):
            self._git("switch", "--quiet", "--create", branch, "--track", f"origin/{branch}")
        else:
            self._git("switch", "--quiet", "--create", branch, "--no-track", start)

    @property
    def is_whole(self) -> bool:
        """Whether a commit is checked out; False while git is cloning, or if it was killed during that."""
        return bool(self.commit("HEAD"))

    def stems_from(self, start: str) -> bool:
        """Return whether HEAD shares history with a branch: `origin/main`."""
        return bool(self.common_commit("HEAD", start))

    def common_commit(self, branch: str, start: str) -> str:
        """Return the merge base of two branches; empty if there is none."""
        if not (self.commit(branch) and self.commit(start)):
            return ""
        return self._answer("merge-base", branch, start).strip()

    def commit(self, name: str) -> str:
        """Return the id of a commit, `HEAD`; empty if there is none."""
        return self._answer("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()

    def tree(self, commit: str, folder: str) -> str:
        """Return the ID of a folder's contents in a commit; empty if there is no such commit or folder."""
        return self._answer("rev-parse", "--verify", "--quiet", f"{commit}:{folder}").strip()

    def contains(self, commit: str, within: str = "HEAD") -> bool:
        """Return whether what is checked out, or another branch, has a commit; one that was not fetched it has not."""
        return bool(wanted := self.commit(commit)) and self.common_commit(wanted, within) == wanted

    @property
    def author(self) -> str:
        """Who commits here, as git writes it: `Alex Attendee <alex@contoso.com>`.

        Raises:
            ServiceError: git is not told.
        """
        return self._git("var", "GIT_AUTHOR_IDENT").strip().rpartition(" ")[0].rpartition(" ")[0]

    def changed_lines(self, start: str = "HEAD", end: str = "") -> dict[str, list[tuple[int, str]]]:
        """Return the lines that are added, with their numbers, by path.

        Args:
            start: A commit.
            end: Another one; empty: the files as they are now, without those that git does not track.
        """
        # Also of files that git considers binary, such as text in UTF-16.
        options = (
            "--text",
            "--unified=0",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--no-renames",
            "--no-prefix",
        )
        # Without prefixes, a path begins right behind the mark.
        return _added_lines(self._git("diff", *options, *filter(None, (start, end)), "--"))

    def summary(self) -> str:
        """Return how much of the tracked files is changed, in git's words: `9 insertions(+)`; empty if nothing."""
        return self._git("diff", "--shortstat", "HEAD", "--").strip().partition(", ")[2]

    def diff(self, new: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the lines of the diff of everything that is not committed; the end of very long lines is omitted.

        Args:
            new: Files that git does not track, to be shown as new ones.
        """
        options = ("--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/")
        # Not at other characters that end a line in Python: what follows them would have no mark.
        lines = self._git("diff", *options, "HEAD", "--").split("\n")[:-1]
        for path in new:
            lines += [f"diff --git a/{path} b/{path}", "new file", *self._new_lines(path)]
        return tuple(_shortened(line) for line in lines)

    def _new_lines(self, path: str) -> list[str]:
        try:
            content = self.content(path)
        except OSError as error:
            return [f"The file cannot be read: {error.strerror or error}"]
        if b"\0" in content:
            return [f"Binary file with {counted(len(content), 'byte')}"]
        lines = content.decode(errors="replace").split("\n")
        last = [] if not lines[-1] else [f"+{lines[-1]}", "\\ No newline at end of file"]
        count = len(lines) - (not lines[-1])
        return ["--- /dev/null", f"+++ b/{path}", f"@@ -0,0 +1,{count} @@", *(f"+{each}" for each in lines[:-1]), *last]

    def content(self, path: str) -> bytes:
        """Return what git commits of a file in the work tree: of a symbolic link, its target.

        Raises:
            OSError: It cannot be read.
        """
        file = self.folder / path
        return os.fsencode(file.readlink()) if file.is_symlink() else file.read_bytes()

    def is_readable(self, path: str) -> bool:
        """Return whether `content` can be read, without reading all of it: a file can be large."""
        file = self.folder / path
        try:
            if file.is_symlink():
                file.readlink()
            else:
                with file.open("rb") as opened:
                    opened.read(1)
        except OSError:
            return False
        return True

    def messages(self, start: str) -> tuple[str, ...]:
        """Return the first lines of the messages of the commits since another one, the newest first."""
        return tuple(self._git("log", "--no-merges", "--format=%s", f"{start}..HEAD").splitlines())

    def commits_since(self, start: str) -> tuple[str, ...]:
        """Return the commits since another one, without merges, the oldest first."""
        return tuple(self._git("rev-list", "--reverse", "--no-merges", f"{start}..HEAD").splitlines())

    def commit_all(self, paths: Sequence[str], message: str) -> str:
        """Commit every change to tracked files, and the new files below these paths; return the commit.

        The person's own identity, hooks and settings are used.

        Args:
            paths: Files and folders, from the root of the repository.
            message: Of the commit.
        """
        self._git("add", "--update", ".")
        there = [path for path in paths if (self.folder / path).exists()]
        if there:
            self._git("--literal-pathspecs", "add", "--", *there)
        self._git("commit", "--quiet", "--message", message)
        return self.commit("HEAD")

    def push(self, branch: str) -> None:
        """Push a branch, and set its upstream.

        Raises:
            ConflictError: The repository's branch has commits that the clone does not have.
            WizardError: The error that git reports.
        """
        self._git("push", "--quiet", "--set-upstream", "origin", f"{branch}:{branch}", far=True)

    def pull(self) -> str:
        """Fast-forward to the new commits, and return what was done, in words.

        Raises:
            ConflictError: The branches have diverged, or uncommitted changes prevent this.
        """
        self.fetch()
        state = self.state()
        if state.conflicts or state.doing:
            raise ConflictError(f"In {self.folder}: {state}.", "Finish it first: git status says how.")
        if not state.upstream:
            raise ConflictError(f"The branch {state.branch or '(none)'} has no upstream branch.", "Push it first.")
        if not state.behind:
            return "there is nothing new"
        if state.ahead:
            raise ConflictError(
                f"The branches have diverged: {state.ahead} of your commits are not in Azure DevOps, and "
                f"{state.behind} "
                "commits there are not in your clone.",
                f"In {self.folder}: run git pull --rebase, which puts your commits on top. If changes "
                "conflict, git stops and names the files: edit them, git add them, then git rebase --continue. git "
                "rebase --abort "
                "restores the previous state.",
            )
        self._git("merge", "--quiet", "--ff-only", "@{upstream}")
        return f"{counted(state.behind, 'new commit')} taken in"
