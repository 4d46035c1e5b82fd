"""`docker` without a container engine: what the lab's scripts need, practiced without a container.

A build copies files as the dockerfile says, and records labels; its `RUN` lines are not executed. The result is an
image in the OCI format without the base image's files, so that a push to a registry of the practice cloud, and its
digest, are real. A container runs the image's command in this machine's Python, on a copy of the image's files. Every
line that it prints for people is marked.
"""

from __future__ import annotations

import base64
import fnmatch
import gzip
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from hol_wizard.practice.launchers import Settings
from hol_wizard.practice.launchers.web_client import Answer, UnreachableError, ask

MARK = "[practice: no container engine]"
LABEL = "practice.no-container-engine"
"""The label of every image that was built here."""
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_INSTRUCTION = re.compile(r"(\w+)\s+(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_VALUES = {
    "build": {"--file", "-f", "--tag", "-t", "--label", "--build-arg", "--platform", "--iidfile"},
    "image ls": {"--filter", "-f"},
    "create": {"--name", "--network", "--platform"},
    "run": {"--name", "--network", "--platform"},
    "login": {"--username", "-u", "--password", "-p"},
    "image inspect": {"--format", "-f"},
    "inspect": {"--format", "-f"},
}
"""The options that take a value, by command."""


class DockerError(Exception):
    """A command failed."""


class UnknownCommandError(DockerError):
    """Only an engine can do this."""


def say(text: str) -> None:
    """Print lines for people, each with the mark."""
    for line in text.splitlines():
        sys.stdout.write(f"{MARK} {line}\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Words:
    """The options and arguments of a command."""

    options: Mapping[str, list[str]] = field(default_factory=dict)
    arguments: Sequence[str] = ()

    @classmethod
    def of(cls, command: str, words: Sequence[str], *, keep_after: int | None = None) -> Words:
        """Return the options and arguments in these words.

        Args:
            command: The command, which says which options take a value.
            words: What follows it.
            keep_after: Number of arguments after which all words are arguments, as those of a container's command.
        """
        options: dict[str, list[str]] = {}
        arguments: list[str] = []
        left = list(words)
        while left:
            word = left.pop(0)
            if not word.startswith("-") or word == "-" or (keep_after is not None and len(arguments) >= keep_after):
                arguments.append(word)
                continue
            name, equals, value = word.partition("=")
            if not equals and name in _VALUES.get(command, ()):
                if not left:
                    raise DockerError(f"flag needs an argument: {name}")
                value = left.pop(0)
            options.setdefault(name, []).append(value)
        return cls(options, arguments)

    def all(self, *names: str) -> list[str]:
        """Return all values of an option."""
        return [value for name in names for value in self.options.get(name, ())]

    def one(self, *names: str) -> str:
        """Return the last value of an option, or an empty text."""
        return (self.all(*names) or [""])[-1]

    def argument(self) -> str:
        """Return the only argument.

        Raises:
            DockerError: There is none, or there are several.
        """
        if len(self.arguments) != 1:
            raise DockerError(f"requires 1 argument, but there are {len(self.arguments)}.")
        return self.arguments[0]


class Engine:
    """The images and containers of this job, as files."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._configuration = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
        self._folder = self._configuration / "without-engine"
        self._commands: Mapping[str, Callable[[Sequence[str]], int]] = {
            "version": self._version,
            "build": self._build,
            "tag": self._tag,
            "image inspect": self._inspect,
            "inspect": self._inspect,
            "image ls": self._list,
            "push": self._push,
            "pull": self._pull,
            "create": self._create,
            "start": self._start,
            "run": self._run,
            "cp": self._copy,
            "rm": self._remove,
            "rmi": self._forget,
            "image rm": self._forget,
            "login": self._login,
            "logout": self._logout,
        }

    def run(self, words: Sequence[str]) -> int:
        """Run a command and return its exit code.

        Raises:
            DockerError: It failed.
        """
        for n in (2, 1):
            found = self._commands.get(" ".join(words[:n]))
            if found is not None:
                return found(words[n:])
        known = ", ".join(self._commands)
        raise UnknownCommandError(
            f"docker {' '.join(words[:2])}: without a container engine, the practice docker knows only {known}; "
            "install Docker to run this step."
        )

    def _version(self, words: Sequence[str]) -> int:
        del words
        say("Practiced without a container: no engine responds on this machine. Images are built without their base.")
        return 0

    # Images

    def _names(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self._folder / "names.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return found

    def _keep_names(self, names: Mapping[str, Any]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "names.json").write_text(json.dumps(names), encoding="utf-8")

    def _find(self, name: str) -> str:
        """Return the ID of an image.

        Raises:
            DockerError: There is none.
        """
        names = self._names()
        for each in (name, f"{name}:latest"):
            if each in names:
                return str(names[each])
        if name in names.values() or (name.startswith("sha256:") and self._image(name).is_dir()):
            return name
        raise DockerError(f"Error response from daemon: No such image: {name}")

    def _image(self, identity: str) -> Path:
        return self._folder / "images" / identity.partition(":")[2]

    def _config(self, identity: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self._image(identity) / "config.json").read_bytes())
        return found

    def _layers(self, identity: str) -> list[Path]:
        return sorted(self._image(identity).glob("layer-*"))

    def _store(self, config: Mapping[str, Any], layers: Sequence[bytes]) -> str:
        content = json.dumps(config, sort_keys=True).encode()
        identity = f"sha256:{hashlib.sha256(content).hexdigest()}"
        folder = self._image(identity)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_bytes(content)
        for number, layer in enumerate(layers):
            (folder / f"layer-{number:03}").write_bytes(layer)
        return identity

    def _build(self, words: Sequence[str]) -> int:
        asked = Words.of("build", words)
        context = Path(asked.argument())
        file = Path(asked.one("--file", "-f") or _dockerfile(context))
        given = dict(each.partition("=")[::2] for each in asked.all("--build-arg"))
        made = _Build(self, context, given)
        for line in _instructions(file.read_text(encoding="utf-8")):
            made.add(line)
        if made.base is None:
            raise DockerError(f"{file} has no FROM.")
        made.labels |= dict(each.partition("=")[::2] for each in asked.all("--label"))
        made.labels[LABEL] = "true"
        identity = self._store(made.config(asked.one("--platform")), made.layers)
        if file_for_id := asked.one("--iidfile"):
            Path(file_for_id).write_text(identity, encoding="utf-8")
        tags = asked.all("--tag", "-t")
        self._keep_names({**self._names(), **{tag if _has_tag(tag) else f"{tag}:latest": identity for tag in tags}})
        say(f"Built {', '.join(tags) or identity}: {len(made.files)} files were copied; nothing was installed.")
        return 0

    def base(self, name: str) -> tuple[dict[str, Any], list[bytes]]:
        """Return the configuration and the layers of a base image; an empty one if it was not built here."""
        try:
            identity = self._find(name)
        except DockerError:
            say(f"The base image {name} is not used.")
            return {}, []
        return self._config(identity), [each.read_bytes() for each in self._layers(identity)]

    def _tag(self, words: Sequence[str]) -> int:
        source, target = Words.of("tag", words).arguments
        self._keep_names({**self._names(), target: self._find(source)})
        return 0

    def _forget(self, words: Sequence[str]) -> int:
        asked, names, missing = Words.of("rmi", words), self._names(), []
        for each in asked.arguments:
            name = next((known for known in (each, f"{each}:latest") if known in names), None)
            if name is not None:
                del names[name]
            elif each.startswith("sha256:") and each not in names.values() and self._image(each).is_dir():
                shutil.rmtree(self._image(each))
            else:
                missing.append(f"Error response from daemon: No such image: {each}")
        self._keep_names(names)
        return _missed(missing, asked)

    def _inspect(self, words: Sequence[str]) -> int:
        asked = Words.of("image inspect", words)
        name = asked.argument()
        identity = self._find(name)
        config, names = self._config(identity), self._names()
        mine = [each for each, found in names.items() if found == identity]
        about = {
            "Id": identity,
            "RepoTags": [each for each in mine if "@" not in each],
            "RepoDigests": [each for each in mine if "@" in each],
            "Architecture": config["architecture"],
            "Os": config["os"],
            "Config": config["config"],
        }
        form = asked.one("--format", "-f")
        if not form:
            sys.stdout.write(json.dumps([about], indent=4) + "\n")
            return 0
        found = re.fullmatch(r"\{\{\s*(json )?\.(\w+(?:\.\w+)*)\s*\}\}", form)
        if found is None:
            raise UnknownCommandError(f"docker image inspect --format {form!r} needs a container engine.")
        value: Any = about
        for part in found[2].split("."):
            value = value.get(part) if isinstance(value, dict) else None
        sys.stdout.write((json.dumps(value) if found[1] or not isinstance(value, str) else value) + "\n")
        return 0

    def _list(self, words: Sequence[str]) -> int:
        """Print the IDs of all images with a label: `--quiet --no-trunc --filter label=NAME=VALUE`."""
        asked = Words.of("image ls", words)
        wanted = [each.removeprefix("label=").partition("=")[::2] for each in asked.all("--filter", "-f")]
        if "--quiet" not in asked.options or not all(each.startswith("label=") for each in asked.all("--filter", "-f")):
            raise UnknownCommandError(
                "docker image ls without --quiet, or with such a filter, needs a container engine."
            )
        for folder in sorted((self._folder / "images").glob("*")):
            labels = self._config(f"sha256:{folder.name}")["config"].get("Labels") or {}
            if all(labels.get(name) == value for name, value in wanted):
                sys.stdout.write(f"sha256:{folder.name}\n")
        return 0

    # Registries

    def _login(self, words: Sequence[str]) -> int:
        asked = Words.of("login", words)
        server = asked.argument()
        password = asked.one("--password", "-p") or sys.stdin.read().strip()
        secret = base64.b64encode(f"{asked.one('--username', '-u')}:{password}".encode()).decode()
        address = f"https://{server}/oauth2/token?service={server}"
        if ask("GET", address, headers={"Authorization": f"Basic {secret}"}).status != 200:
            raise DockerError(
                f"Error response from daemon: Get https://{server}/v2/: unauthorized: authentication required"
            )
        signed_in = {**self._sign_ins(), server: {"auth": secret}}
        self._keep_sign_ins(signed_in)
        say("Login Succeeded")
        return 0

    def _logout(self, words: Sequence[str]) -> int:
        server = Words.of("logout", words).argument()
        self._keep_sign_ins({name: each for name, each in self._sign_ins().items() if name != server})
        return 0

    def _sign_ins(self) -> dict[str, Any]:
        try:
            found = json.loads((self._configuration / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return dict(found.get("auths") or {})

    def _keep_sign_ins(self, auths: Mapping[str, Any]) -> None:
        self._configuration.mkdir(parents=True, exist_ok=True)
        file = self._configuration / "config.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps({"auths": auths}), encoding="utf-8")

    def _registry(self, name: str, actions: str) -> tuple[str, str, str, dict[str, str]]:
        """Return server, repository and tag of an image's name, and the headers of requests to its repository."""
        server, slash, rest = name.partition("/")
        if not slash or (":" not in server and "." not in server):
            raise DockerError(f"{name} is not in a registry of the practice cloud.")
        repository, _, tag = (
            rest.partition("@") if "@" in rest else rest.rpartition(":") if ":" in rest else (rest, "", "")
        )
        secret = self._sign_ins().get(server, {}).get("auth", "")
        address = f"https://{server}/oauth2/token?service={server}&scope=repository:{repository}:{actions}"
        answer = ask("GET", address, headers={"Authorization": f"Basic {secret}"} if secret else {})
        return server, repository, tag or "latest", {"Authorization": f"Bearer {answer.json.get('access_token', '')}"}

    def _push(self, words: Sequence[str]) -> int:
        name = Words.of("push", words).argument()
        identity = self._find(name)
        server, repository, tag, headers = self._registry(name, "pull,push")
        base = f"https://{server}/v2/{repository}"
        config = (self._image(identity) / "config.json").read_bytes()
        layers = [each.read_bytes() for each in self._layers(identity)]
        parts = [_upload(base, headers, _CONFIG, config), *(_upload(base, headers, _LAYER, each) for each in layers)]
        manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": parts[0], "layers": parts[1:]}
        content = json.dumps(manifest).encode()
        put = ask("PUT", f"{base}/manifests/{tag}", headers={**headers, "Content-Type": _MANIFEST}, content=content)
        _checked(put, 201)
        digest = str(put.headers["Docker-Content-Digest"])
        self._keep_names({**self._names(), f"{server}/{repository}@{digest}": identity})
        sys.stderr.write(f"{MARK} {tag}: digest: {digest} size: {len(content)}\n")
        return 0

    def _pull(self, words: Sequence[str]) -> int:
        name = Words.of("pull", words).argument()
        server, repository, tag, headers = self._registry(name, "pull")
        base = f"https://{server}/v2/{repository}"
        answer = ask("GET", f"{base}/manifests/{tag}", headers={**headers, "Accept": f"{_MANIFEST}, */*"})
        _checked(answer, 200)
        manifest = answer.json

        def blob(part: Mapping[str, Any]) -> bytes:
            found = ask("GET", f"{base}/blobs/{part['digest']}", headers=headers)
            _checked(found, 200)
            return found.content

        layers = [blob(each) for each in manifest["layers"]]
        identity = self._store(json.loads(blob(manifest["config"])), layers)
        digest = answer.headers["Docker-Content-Digest"]
        names = {name if _has_tag(name) else f"{name}:latest": identity, f"{server}/{repository}@{digest}": identity}
        self._keep_names({**self._names(), **names})
        say(f"Pulled {name}")
        return 0

    # Containers

    def _container(self, name: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
            raise DockerError(f"Invalid container name ({name}).")
        return self._folder / "containers" / name

    def _create(self, words: Sequence[str], *, quiet: bool = False) -> int:
        asked = Words.of("create", words, keep_after=1)
        image, *command = asked.arguments
        identity = self._find(image)
        name = asked.one("--name") or uuid.uuid4().hex[:12]
        folder = self._container(name)
        if folder.exists():
            raise DockerError(f'Conflict. The container name "/{name}" is already in use.')
        files = folder / "files"
        files.mkdir(parents=True)
        for layer in self._layers(identity):
            with tarfile.open(layer) as archive:
                archive.extractall(files, filter="data")
        settings = self._config(identity)["config"]
        about = {"command": command or settings.get("Cmd") or [], "environment": settings.get("Env") or []}
        (folder / "container.json").write_text(
            json.dumps({**about, "folder": settings.get("WorkingDir") or "/"}), encoding="utf-8"
        )
        if not quiet:
            sys.stdout.write(f"{name}\n")
        return 0

    def _start(self, words: Sequence[str]) -> int:
        name = Words.of("start", words).argument()
        folder = self._container(name)
        try:
            about = json.loads((folder / "container.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise DockerError(f"Error: No such container: {name}") from error
        root = (folder / "files").resolve()

        def inside(text: str) -> str:
            """Return a text with absolute paths in the container as paths on this machine."""
            return re.sub(r"(?<![\w./-])/(?=[A-Za-z])", f"{root}/", text)

        command = [inside(each) for each in about["command"]]
        if not command or PurePosixPath(command[0]).name not in {"python", "python3"}:
            raise UnknownCommandError("Without a container engine, only a Python program can run in a container.")
        python = self._settings.packages_python
        if not python or not Path(python).is_file():
            raise DockerError(
                "The Python packages of the practice cloud are not installed on this machine: train first."
            )
        for each in ("results", "tmp"):
            (root / each).mkdir(exist_ok=True)
        own = {key: inside(value) for key, _, value in (each.partition("=") for each in about["environment"])}
        place = Path(inside(about["folder"])) if about["folder"] != "/" else root
        place.mkdir(parents=True, exist_ok=True)
        kept = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT") if name in os.environ
        }
        with (
            subprocess.Popen(  # noqa: S603 - the image's own command
                [python, *command[1:]],
                cwd=place,
                env={**kept, "PYTHONDONTWRITEBYTECODE": "1", **own},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as started
        ):
            for line in started.stdout or ():
                say(line.rstrip("\n").replace(str(root), ""))
        for file in (root / "results").glob("*.xml"):
            file.write_text(file.read_text(encoding="utf-8").replace(str(root), ""), encoding="utf-8")
        return started.returncode

    def _run(self, words: Sequence[str]) -> int:
        asked = Words.of("run", words, keep_after=1)
        name = asked.one("--name") or uuid.uuid4().hex[:12]
        self._create(["--name", name, *asked.arguments], quiet=True)
        try:
            return self._start([name])
        finally:
            if "--rm" in asked.options:
                self._remove([name])

    def _copy(self, words: Sequence[str]) -> int:
        source, target = Words.of("cp", words).arguments
        name, colon, path = source.partition(":")
        if not colon:
            raise UnknownCommandError("Without a container engine, files are only copied out of a container.")
        place = self._container(name) / "files" / path.lstrip("/")
        if not place.exists():
            raise DockerError(f"Could not find the file {path} in container {name}")
        if place.is_dir():
            into = Path(target) if path.endswith("/.") or not Path(target).is_dir() else Path(target) / place.name
            shutil.copytree(place, into, dirs_exist_ok=True)
        else:
            shutil.copyfile(place, Path(target) / place.name if Path(target).is_dir() else target)
        return 0

    def _remove(self, words: Sequence[str]) -> int:
        asked, missing = Words.of("rm", words), []
        for each in asked.arguments:
            if self._container(each).is_dir():
                shutil.rmtree(self._container(each))
            else:
                missing.append(f"Error response from daemon: No such container: {each}")
        return _missed(missing, asked)


class _Build:
    """An image that is being built."""

    def __init__(self, engine: Engine, context: Path, given: Mapping[str, str]) -> None:
        self._engine = engine
        self._context = context
        self._given = given
        self._arguments: dict[str, str] = {}
        self.base: str | None = None
        self.files: dict[str, bytes] = {}
        self.labels: dict[str, str] = {}
        self._settings: dict[str, Any] = {}
        self._base_layers: list[bytes] = []

    def add(self, line: str) -> None:
        """Carry out one instruction, as far as that is possible without a container."""
        parsed = _INSTRUCTION.fullmatch(line)
        if parsed is None:
            raise DockerError(f"dockerfile parse error: {line}")
        word, rest = parsed[1].upper(), parsed[2]
        text = _VARIABLE.sub(lambda found: self._arguments.get(found[1] or found[2], ""), rest)
        if word == "ARG":
            name, _, default = text.partition("=")
            self._arguments[name] = self._given.get(name, default)
        elif word == "FROM":
            self.base = text.split()[0]
            config, self._base_layers = self._engine.base(self.base)
            self._settings = dict(config.get("config") or {})
            self.labels = dict(self._settings.get("Labels") or {})
        elif word == "COPY":
            self._copy(shlex.split(text))
        elif word == "LABEL":
            self.labels |= dict(each.partition("=")[::2] for each in shlex.split(text))
        elif word == "ENV":
            self._settings["Env"] = [*self._settings.get("Env", ()), *shlex.split(text)]
        elif word == "WORKDIR":
            self._settings["WorkingDir"] = self._path(text)
        elif word == "CMD":
            self._settings["Cmd"] = _command(rest)
        elif word == "RUN":
            say(f"Not executed: RUN {' '.join(rest.split())[:100]}")
        elif word not in {"USER", "EXPOSE", "HEALTHCHECK", "STOPSIGNAL", "VOLUME", "SHELL", "ENTRYPOINT"}:
            raise UnknownCommandError(f"{word} in a dockerfile needs a container engine.")

    def _path(self, path: str) -> str:
        return str(PurePosixPath(self._settings.get("WorkingDir") or "/") / path)

    def _copy(self, words: Sequence[str]) -> None:
        *sources, target = [word for word in words if not word.startswith("--")]
        found = [each for source in sources for each in self._sources(source)]
        if not found:
            raise DockerError(f"failed to compute cache key: {' '.join(sources)}: not found")
        many = len(found) > 1 or target.endswith(("/", "."))
        for each in found:
            if each.is_dir():
                for file in sorted(each.rglob("*")):
                    if file.is_file() and "__pycache__" not in file.parts:
                        self._add(self._path(f"{target}/{file.relative_to(each).as_posix()}"), file)
            else:
                self._add(self._path(f"{target}/{each.name}" if many else target), each)

    def _sources(self, source: str) -> Iterator[Path]:
        if not any(each in source for each in "*?["):
            if (self._context / source).exists():
                yield self._context / source
            return
        for each in sorted(self._context.iterdir()):
            if fnmatch.fnmatchcase(each.name, source):
                yield each

    def _add(self, path: str, file: Path) -> None:
        self.files[str(PurePosixPath(path)).lstrip("/")] = file.read_bytes()

    @property
    def layers(self) -> list[bytes]:
        """The layers of the base image, and one with the copied files."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for path, content in sorted(self.files.items()):
                about = tarfile.TarInfo(path)
                about.size = len(content)
                archive.addfile(about, io.BytesIO(content))
        return [*self._base_layers, gzip.compress(buffer.getvalue(), mtime=0)]

    def config(self, platform: str) -> dict[str, Any]:
        """Return the image's configuration."""
        system, _, architecture = (platform or "linux/amd64").partition("/")
        diffs = [f"sha256:{hashlib.sha256(gzip.decompress(each)).hexdigest()}" for each in self.layers]
        return {
            "architecture": architecture,
            "os": system,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "config": {**self._settings, "Labels": self.labels},
            "rootfs": {"type": "layers", "diff_ids": diffs},
        }


def _instructions(text: str) -> Iterator[str]:
    """Iterate over the instructions of a dockerfile, with continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\s*\n", " ", "\n".join(lines)).splitlines():
        if line.strip():
            yield line.strip()


def _command(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except ValueError:
        return shlex.split(text)
    return [str(each) for each in found]


def _dockerfile(context: Path) -> Path:
    return next((context / name for name in ("Dockerfile", "dockerfile") if (context / name).is_file()), context)


def _missed(missing: Sequence[str], asked: Words) -> int:
    """Say what could not be removed; with `--force`, that is no error (tried with Docker)."""
    for each in missing:
        sys.stderr.write(f"{MARK} {each}\n")
    return 1 if missing and not {"--force", "-f"} & set(asked.options) else 0


def _has_tag(name: str) -> bool:
    return ":" in name.rpartition("/")[2] or "@" in name


def _checked(answer: Answer, status: int) -> None:
    if answer.status != status:
        errors = answer.json.get("errors") or [{}]
        raise DockerError(f"{str(errors[0].get('code', answer.status)).lower()}: {errors[0].get('message', '')}")


def _upload(base: str, headers: Mapping[str, str], media_type: str, content: bytes) -> dict[str, Any]:
    """Upload a blob unless the repository has it, and return how a manifest names it."""
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if ask("HEAD", f"{base}/blobs/{digest}", headers=headers).status != 200:
        begun = ask("POST", f"{base}/blobs/uploads/", headers=headers)
        _checked(begun, 202)
        place = f"{base.partition('/v2/')[0]}{begun.headers['Location']}&digest={digest}"
        _checked(ask("PUT", place, headers=headers, content=content), 201)
    return {"mediaType": media_type, "size": len(content), "digest": digest}


def run(words: Sequence[str], settings: Settings) -> int:
    """Run a command and return its exit code: 1 for an error, 2 for one that needs an engine."""
    try:
        return Engine(settings).run(words)
    except UnknownCommandError as error:
        sys.stderr.write(f"{MARK} {error}\n")
        return 2
    except (DockerError, UnreachableError, OSError, ValueError) as error:
        sys.stderr.write(f"{MARK} {error}\n")
        return 1
