"""Pushes commits to a repository over HTTPS with the system's git; `sign_in` provides the sign-in."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import urlsplit

from hol_wizard.errors import ServiceError, UnreachableError, WizardError
from hol_wizard.services import error_rules, traffic
from hol_wizard.services.git.program import GitLateError, Setting, meaning, run
from hol_wizard.services.git.sign_in import answering
from hol_wizard.services.secrets import Secret

OLDEST = (2, 31)
"""The first version of git that reads settings from its environment."""
BUSY_WAITS: Final = (0.2, 0.4, 0.8, 1.6, 2.0)
"""Seconds before further tries if a rule says so (`Rule.retry`)."""
GIT_REQUESTS = 2
"""Requests of a fetch or a push, at least: the references, then the objects (git's http-protocol document)."""
FAR_SECONDS = 900.0
"""Timeout for git's network operations: the lab's repository has a few hundred kilobytes."""
_FILE_MODES: Final = frozenset({"100644", "100755"})
"""Modes of regular files: not links or submodules."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to commit."""

    content: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """The author of a commit."""

    name: str
    email: str


class GitRemote:
    """A repository that is accessed over HTTPS."""

    def __init__(
        self, url: str, authorization: Callable[[], Secret], ca_bundle: Path | None = None, known_as: str = ""
    ) -> None:
        """Create the client without sending a request.

        Args:
            url: The repository's address, without a user name and a password.
            authorization: Returns the value of the `Authorization` header.
            ca_bundle: Certificates to trust; None for git's default.
            known_as: Its address in a clone that was made by hand; empty if it is the same.
        """
        self.url = url
        self._known_as = known_as or url
        self._authorization = authorization
        self._ca_bundle = ca_bundle

    def is_at(self, address: str) -> bool:
        """Return whether an address in a clone is this repository's."""
        return address.rstrip("/").lower() in {each.rstrip("/").lower() for each in (self.url, self._known_as)}

    @contextmanager
    def _reaching(self) -> Iterator[Sequence[Setting]]:
        """Yield the settings with which git accesses the repository and gets the sign-in when it asks."""
        host = urlsplit(self.url)
        place = f"{host.scheme}://{host.netloc}"
        with answering(self._authorization()) as helper:
            found = [
                # Empty first, so that no helper of this machine asks, responds, or stores the sign-in.
                (f"credential.{place}.helper", ""),
                (f"credential.{place}.helper", helper),
                ("core.askPass", ""),
                # The same for a header with a sign-in, and for a rule that rewrites the address: the longest match
                # wins.
                (f"http.{self.url}.extraHeader", ""),
                (f"url.{self.url}.insteadOf", self.url),
                (f"url.{self.url}.pushInsteadOf", self.url),
                # `protocol.allow` can forbid every kind of address, or all but SSH.
                (f"protocol.{urlsplit(self.url).scheme}.allow", "always"),
                # Without verification, git would send the sign-in to any server.
                (f"http.{self.url}.sslVerify", "true"),
                ("push.gpgSign", "false"),
                # Azure DevOps takes no push options, and git then refuses to push: an empty one clears the list.
                ("push.pushOption", ""),
                ("push.recurseSubmodules", "no"),
                # A mirror takes no branch, only everything.
                ("remote.origin.mirror", "false"),
                ("fetch.recurseSubmodules", "no"),
                # If a server or a proxy stops sending, git gives up after a minute. A slow one is stopped by
                # `FAR_SECONDS`: a server that packs a repository may send almost nothing for a while.
                ("http.lowSpeedLimit", "1"),
                ("http.lowSpeedTime", "60"),
            ]
            if self._known_as != self.url:
                # The name represents an address of this cloud, and no other host must be contacted.
                named = urlsplit(self._known_as)
                owner = f"{named.path.strip('/').partition('/')[0]}@{named.netloc}"
                for other in (self._known_as, named._replace(netloc=owner).geturl()):
                    found += [(f"url.{self.url}.insteadOf", other), (f"url.{self.url}.pushInsteadOf", other)]
            if self._ca_bundle is not None:
                found.append((f"http.{place}/.sslCAInfo", self._ca_bundle.as_posix()))
            yield found

    def push(
        self,
        files: Mapping[str, File],
        branch: str,
        message: str,
        person: Person,
        *,
        onto: bool,
        settle: Callable[[str, bytes], bytes | None],
    ) -> str:
        """Push one commit with the files, and return its ID; if nothing changes, return the branch's commit.

        The branch is read in the same repository in which the commit is made, and the push is refused if the branch has
        moved since: nothing that was pushed in between is overwritten.

        Args:
            files: By path.
            branch: Its name.
            message: The commit message.
            person: The author of the commit.
            onto: Whether the branch exists, so that the commit is added to it.
            settle: Called with the path and the contents of a file that exists on the branch; returns the new contents,
                or None to keep it.

        Raises:
            SignInError, AccessDeniedError, ConflictError, NotFoundError, UnreachableError, ServiceError: As reported by
            git.
        """
        who = {"GIT_AUTHOR_NAME": person.name, "GIT_AUTHOR_EMAIL": person.email}
        who |= {"GIT_COMMITTER_NAME": person.name, "GIT_COMMITTER_EMAIL": person.email}
        with self._workshop() as work:
            before = work.fetch(branch) if onto else ""
            known = work.modes(before) if before else {}
            wanted: dict[str, File] = {}
            for path, file in files.items():
                content: bytes | None = file.content
                if known.get(path) in _FILE_MODES:
                    content = settle(path, work.content(before, path))
                if content is not None:
                    wanted[path] = File(content, file.executable)
            tree = work.tree(before, wanted)
            if before and tree == work.ask("rev-parse", f"{before}^{{tree}}"):
                return before
            parents = ("-p", before) if before else ()
            commit = work.ask("commit-tree", tree, *parents, "-m", message, more=who)
            self.run(
                work.folder,
                ("push", "--quiet", "--no-verify", self.url, f"{commit}:refs/heads/{branch}"),
                far=True,
                settings=work.settings,
            )
        return commit

    @contextmanager
    def _workshop(self) -> Iterator[_Workshop]:
        with tempfile.TemporaryDirectory(prefix="hol-wizard-", ignore_cleanup_errors=True) as folder:
            yield _Workshop.made(self, Path(folder))

    def clone_to(self, folder: Path, progress: Callable[[str], None]) -> None:
        """Clone the whole repository into a folder, which must be empty or not exist.

        Args:
            folder: The folder.
            progress: Called with the progress.

        Raises:
            SignInError, AccessDeniedError, NotFoundError, UnreachableError, ServiceError: As reported by git.
        """
        # Set the name of the remote, because `clone.defaultRemoteName` can name another.
        words = ("clone", "--progress", "--origin", "origin", "--", self.url, ".")
        folder.mkdir(exist_ok=True)
        self.run(folder, words, far=True, heard=_progress_of(progress))

    def delete_branch(self, branch: str, at: str) -> None:
        """Remove a branch from the repository.

        Args:
            branch: Its name.
            at: Its expected commit; if somebody has pushed to the branch, it is kept.

        Raises:
            ConflictError: It is at another commit.
            WizardError: The error that git reports.
        """
        with self._workshop() as work:
            lease = f"--force-with-lease=refs/heads/{branch}:{at}"
            words = ("push", "--quiet", "--no-verify", lease, self.url, f":refs/heads/{branch}")
            self.run(work.folder, words, far=True, settings=work.settings)

    def run(
        self,
        folder: Path,
        words: Sequence[str],
        *,
        far: bool,
        settings: Sequence[Setting] = (),
        more: Mapping[str, str] | None = None,
        given: bytes = b"",
        heard: Callable[[str], None] | None = None,
        nothing: bool = False,
    ) -> bytes:
        """Run git in a folder, and return what it printed.

        Args:
            folder: The folder.
            words: Command and arguments.
            far: Whether it contacts the repository, and gets the sign-in when it asks.
            settings: Settings of git; no secrets.
            more: Environment variables; no secrets.
            given: git's standard input.
            heard: Called with git's output while it runs.
            nothing: Whether exit code 1 means that there is nothing to print.

        Raises:
            WizardError: The error that git reports.
        """
        for wait in (*BUSY_WAITS, None):
            try:
                if far:
                    traffic.note(GIT_REQUESTS)
                with self._reaching() if far else nullcontext(()) as reaching:
                    told = (*settings, *reaching)
                    limit = FAR_SECONDS if far else None
                    ended = run(folder, words, settings=told, more=more, given=given, heard=heard, seconds=limit)
                if ended.code == 0:
                    return ended.out
                if nothing and ended.code == 1:
                    return b""
                raise (far and self._rewritten(folder)) or meaning(words[0], ended, self.url)
            except GitLateError as error:
                if not far:
                    raise
                raise UnreachableError(
                    f"git {words[0]} did not finish within {FAR_SECONDS / 60:.0f} minutes.",
                    "Check your network (hol-wizard doctor), then continue.",
                ) from error
            except WizardError as error:
                rule = error_rules.rule_for("git", "", error.detail)
                if wait is None or rule is None or not rule.retry:
                    raise
                time.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _rewritten(self, folder: Path) -> WizardError | None:
        """Return an error if a setting of the person sends git to another address in place of the repository's.

        git takes the longest match, and the first of those with the same length; the settings of `_reaching` come last.
        """
        words = ("config", "--show-origin", "-z", "--get-regexp", r"^url\..*\.(insteadof|pushinsteadof)$")
        # Each setting is `file:PATH NUL NAME newline VALUE NUL`.
        fields = iter(run(folder, words).text.split("\0"))
        for origin, setting in zip(fields, fields, strict=False):
            name, _, value = setting.partition("\n")
            if value and any(each.startswith(value) and len(value) >= len(each) for each in (self.url, self._known_as)):
                other = name.removeprefix("url.").rpartition(".")[0]
                return ServiceError(
                    f"A setting of git sends it to {other} instead of {value} ({origin}).",
                    f"Remove it: git config --global --unset-all {name}",
                )
        return None


@dataclass(frozen=True, slots=True)
class _Workshop:
    """A bare repository of the wizard in a temporary folder.

    It has no work tree, so no file of the repository is ever written here: no link leads out of the folder, and the
    person's filters, line endings and ignore rules do not change what is committed. Their hooks do not run in it
    either.
    """

    remote: GitRemote
    folder: Path
    settings: tuple[Setting, ...]

    @classmethod
    def made(cls, remote: GitRemote, folder: Path) -> _Workshop:
        """Create it in an empty folder."""
        hooks = folder / "no-hooks"
        hooks.mkdir()
        settings = (
            ("core.hooksPath", hooks.as_posix()),
            ("core.fsmonitor", "false"),
            # `explicit` would refuse a bare repository that git finds in its working directory.
            ("safe.bareRepository", "all"),
            # In the background, it would outlive the folder.
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
        )
        work = cls(remote, folder / "repository.git", settings)
        work.folder.mkdir()
        work.ask("init", "--quiet", "--bare", "--template=", "--object-format=sha1")
        return work

    def run(self, *words: str, given: bytes = b"", more: Mapping[str, str] | None = None) -> bytes:
        """Run git in it, and return what it printed."""
        return self.remote.run(self.folder, words, far=False, settings=self.settings, given=given, more=more)

    def ask(self, *words: str, more: Mapping[str, str] | None = None) -> str:
        """Run git in it, and return the line that it printed."""
        return self.run(*words, more=more).decode().strip()

    def fetch(self, branch: str) -> str:
        """Fetch a branch without its history, and return its commit."""
        words = ("fetch", "--quiet", "--depth", "1", "--no-tags", "--no-recurse-submodules")
        self.remote.run(
            self.folder, (*words, self.remote.url, f"refs/heads/{branch}"), far=True, settings=self.settings
        )
        return self.ask("rev-parse", "--verify", "FETCH_HEAD^{commit}")

    def modes(self, commit: str) -> dict[str, str]:
        """Return the mode of each file of a commit, by path."""
        found = {}
        for line in self.run("ls-tree", "-r", "-z", "--full-tree", commit).decode("utf-8", "replace").split("\0"):
            told, _, path = line.partition("\t")
            found[path] = told.partition(" ")[0]
        return found

    def content(self, commit: str, path: str) -> bytes:
        """Return the content of a file of a commit."""
        return self.run("cat-file", "blob", f"{commit}:{path}")

    def tree(self, start: str, files: Mapping[str, File]) -> str:
        """Return the ID of the tree of a commit (empty for none) with these files added."""
        if start:
            self.run("read-tree", start)
        names = []
        for number, file in enumerate(files.values()):
            name = self.folder.with_name(f"file-{number}")
            name.write_bytes(_stored(file.content))
            names.append(name.as_posix())
        words = ("hash-object", "-w", "--no-filters", "--stdin-paths")
        blobs = self.run(*words, given="".join(f"{name}\n" for name in names).encode()).decode().split()
        lines = [
            f"{'100755' if file.executable else '100644'} {blob}\t{path}\0"
            for (path, file), blob in zip(files.items(), blobs, strict=True)
        ]
        # --replace: for a file or a link where a folder is needed.
        self.run("update-index", "--add", "--replace", "-z", "--index-info", given="".join(lines).encode())
        return self.ask("write-tree")


def _stored(content: bytes) -> bytes:
    """Return a file as git stores it: text, which contains no NUL, with LF line endings (gitattributes, `text`)."""
    return content if b"\0" in content else content.replace(b"\r\n", b"\n")


def _progress_of(report: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that is called with git's output and reports the progress of a transfer."""
    # On import, GitPython runs `git version` and raises if that fails, unless it is configured not to.
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    from git import RemoteProgress

    class Progress(RemoteProgress):
        """Reads git's lines (`Receiving objects:  42% (21/50), 1.20 MiB | 2.30 MiB/s`)."""

        words: ClassVar[Mapping[int, str]] = {
            RemoteProgress.COUNTING: "counted",
            RemoteProgress.COMPRESSING: "compressed",
            RemoteProgress.WRITING: "written",
            RemoteProgress.RECEIVING: "received",
            RemoteProgress.RESOLVING: "resolved",
            RemoteProgress.CHECKING_OUT: "checked out",
        }

        def update(
            self, op_code: int, cur_count: str | float, max_count: str | float | None = None, message: str = ""
        ) -> None:
            """Report the progress."""
            share = f"{float(cur_count) / float(max_count):.0%}" if max_count else f"{cur_count}"
            report(" ".join(filter(None, (share, self.words.get(op_code & self.OP_MASK, ""), message))))

    read = Progress().new_message_handler()

    def heard(text: str) -> None:
        for line in text.replace("\r", "\n").splitlines():
            read(line)

    return heard
