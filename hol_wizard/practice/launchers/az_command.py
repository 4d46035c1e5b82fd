"""`az` for the steps of a practice pipeline: exactly the commands that the task AzureCLI and the lab's scripts call.

It asks the practice cloud as the Azure CLI asks Azure, and keeps the sign-in in `AZURE_CONFIG_DIR`, which the
task removes when it ends. Every other command ends with exit code 2 and a sentence.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from hol_wizard.practice.launchers.web_client import Answer, UnreachableError, ask

VERSION = "2.91.0"
"""The version that it stands for."""
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_NOBODY = "00000000-0000-0000-0000-000000000000"
_REGISTRY = "Microsoft.ContainerRegistry/registries"
_REGISTRIES, _RESOURCES, _SUBSCRIPTIONS = "2023-07-01", "2021-04-01", "2022-12-01"
_FLAGS = frozenset({"--service-principal", "--allow-no-subscriptions", "--force", "--only-show-errors"})
_EVERYWHERE = frozenset({"--output", "--query", "--only-show-errors"})
_SHORT = {"-n": "--name", "-u": "--username", "-p": "--password", "-o": "--output", "-r": "--registry"}
_LETTERS: Mapping[tuple[str, ...], Mapping[str, str]] = {
    ("login",): {"-t": "--tenant"},
    ("account", "set"): {"-s": "--subscription", "-n": "--subscription"},
    ("acr", "repository", "show"): {"-t": "--image"},
    ("acr", "import"): {"-t": "--image"},
}
"""The letters that have another meaning in another command."""
_QUERY = re.compile(r"(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)?")
_FORMS = ("", "json", "tsv", "table", "none")
_AT_LEAST, _AT_MOST = 0.05, 15.0


class AzError(Exception):
    """A command failed; the message is what the Azure CLI would print."""


class UsageError(AzError):
    """The command line is wrong."""


def _loaded(value: str) -> str:
    """Return an option's value: `@FILE` is what a file contains, and `@-` what comes in on standard input.

    A secret is then in no process's arguments. The same as azure-cli-core (`_expand_file_prefixed_files`): a file that
    does not exist leaves the value as it is.
    """
    if not value.startswith("@") or value == "@":
        return value
    try:
        text = sys.stdin.read() if value == "@-" else Path(value[1:]).expanduser().read_text(encoding="utf-8")
    except OSError:
        return value
    return text.rstrip("\r\n")


class Options:
    """The options of a command."""

    def __init__(self, command: tuple[str, ...], words: Sequence[str]) -> None:
        self.values: dict[str, str] = {}
        known, short = COMMANDS[command].options | _EVERYWHERE, {**_SHORT, **_LETTERS.get(command, {})}
        left = list(words)
        while left:
            name, equals, value = left.pop(0).partition("=")
            name = short.get(name, name)
            if name not in known:
                raise UsageError(
                    f"the practice az knows no argument {name} of az {' '.join(command)}, only "
                    f"{', '.join(sorted(known))}"
                )
            if name in self.values:
                raise UsageError(f"the practice az takes {name} once")
            if name not in _FLAGS and not equals:
                if not left:
                    raise UsageError(f"argument {name}: expected one argument")
                value = left.pop(0)
            self.values[name] = _loaded(value)
        if not _QUERY.fullmatch(self.take("--query")):
            raise UsageError(f"the practice az knows no --query with more than names and dots: {self.take('--query')}")
        if self.take("--output") not in _FORMS:
            raise UsageError(f"the practice az knows no --output {self.take('--output')}, only {', '.join(_FORMS[1:])}")

    def take(self, *names: str) -> str:
        """Return the value of the first option that is set, or an empty text."""
        return next((self.values[name] for name in names if name in self.values), "")

    def need(self, *names: str) -> str:
        """Return the value of an option.

        Raises:
            UsageError: It is missing.
        """
        value = self.take(*names)
        if not value:
            raise UsageError(f"the following arguments are required: {'/'.join(names)}")
        return value

    def print(self, value: Any) -> None:
        """Print a result as `--output` and `--query` say."""
        for part in filter(None, self.take("--query").split(".")):
            value = value.get(part) if isinstance(value, dict) else None
        form = self.take("--output") or "json"
        if form == "none" or value is None:
            return
        if form == "tsv" and not isinstance(value, dict | list):
            sys.stdout.write(f"{value}\n")
        elif form == "table" and isinstance(value, dict):
            sys.stdout.writelines(f"{name:<24}  {shown}\n" for name, shown in value.items())
        else:
            sys.stdout.write(json.dumps(value, indent=2) + "\n")


# The sign-in


def _folder() -> Path:
    return Path(os.environ.get("AZURE_CONFIG_DIR") or Path.home() / ".azure")


def _signed_in() -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads((_folder() / "practice.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AzError("Please run 'az login' to setup account.") from error
    return found


def _keep(account: Mapping[str, str]) -> None:
    _folder().mkdir(parents=True, exist_ok=True)
    file = _folder() / "practice.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(account), encoding="utf-8")


def _variable(name: str) -> str:
    value = os.environ.get(name, "").rstrip("/")
    if not value:
        raise AzError(f"{name} is not set: this is not a step of a practice pipeline.")
    return value


def _management() -> str:
    return os.environ.get("ARM_AUDIENCE") or "https://management.core.windows.net/"


def _token(account: Mapping[str, str], resource: str) -> dict[str, Any]:
    """Return Entra ID's response with a token for a resource."""
    address = f"{_variable('AZURE_AUTHORITY_HOST')}/{account['tenant']}/oauth2/v2.0/token"
    form = {"grant_type": "client_credentials", "client_id": account["client"], "scope": f"{resource}/.default"}
    if account.get("assertion"):
        form |= {"client_assertion_type": _ASSERTION, "client_assertion": account["assertion"]}
    else:
        form["client_secret"] = account.get("secret", "")
    answer = ask("POST", address, form=form)
    if answer.status != 200:
        raise AzError(str(answer.json.get("error_description") or f"Entra ID responds with {answer.status}."))
    found: dict[str, Any] = answer.json
    return found


def _arm(method: str, path: str, version: str, body: Any = None, **query: str) -> Answer:
    """Ask Azure Resource Manager.

    Raises:
        AzError: It refuses the request.
    """
    token = _token(_signed_in(), _management())["access_token"]
    more = "".join(f"&{quote(name)}={quote(value)}" for name, value in query.items())
    address = path if path.startswith("https://") else f"{_variable('ARM_URL')}{path}?api-version={version}{more}"
    answer = ask(method, address, headers={"Authorization": f"Bearer {token}"}, body=body)
    if answer.status >= 400:
        error = answer.json.get("error") or {}
        raise AzError(f"({error.get('code')}) {error.get('message')}")
    return answer


def _version(options: Options) -> None:
    about = {"azure-cli": VERSION, "azure-cli-core": VERSION, "practice": "the az of the practice cloud"}
    options.print(about)


def _login(options: Options) -> None:
    if "--service-principal" not in options.values:
        raise AzError("The practice az signs in service principals only: az login --service-principal")
    account = {
        "client": options.need("--username"),
        "tenant": options.need("--tenant"),
        "assertion": options.take("--federated-token"),
        "secret": options.take("--password"),
        "subscription": "",
    }
    _token(account, _management())
    _keep(account)
    subscriptions = _arm("GET", "/subscriptions", _SUBSCRIPTIONS).json["value"]
    if not subscriptions and "--allow-no-subscriptions" not in options.values:
        (_folder() / "practice.json").unlink()
        raise AzError(f"No subscriptions found for {account['client']}.")
    if subscriptions:
        _keep({**account, "subscription": subscriptions[0]["subscriptionId"]})
    options.print([{"id": each["subscriptionId"], "name": each["displayName"]} for each in subscriptions])


def _set_account(options: Options) -> None:
    wanted = options.need("--subscription")
    for each in _arm("GET", "/subscriptions", _SUBSCRIPTIONS).json["value"]:
        if wanted.lower() in {each["subscriptionId"].lower(), each["displayName"].lower()}:
            _keep({**_signed_in(), "subscription": each["subscriptionId"]})
            return
    raise AzError(f"The subscription of '{wanted}' doesn't exist in cloud 'AzureCloud'.")


def _get_token(options: Options) -> None:
    account = _signed_in()
    resource = options.take("--resource") or options.take("--scope").removesuffix("/.default") or _management()
    answer, now = _token(account, resource), time.time()
    ends = int(now) + int(answer["expires_in"])
    options.print(
        {
            "accessToken": answer["access_token"],
            "expiresOn": f"{datetime.fromtimestamp(ends):%Y-%m-%d %H:%M:%S.000000}",  # local time, as in the Azure CLI
            "expires_on": ends,
            "subscription": account["subscription"],
            "tenant": account["tenant"],
            "tokenType": "Bearer",
        }
    )


def _clear(options: Options) -> None:
    del options
    (_folder() / "practice.json").unlink(missing_ok=True)


def _set_cloud(options: Options) -> None:
    name = options.need("--name")
    if name.lower() != "azurecloud":
        raise AzError(f"The cloud '{name}' is not registered: the practice cloud is AzureCloud here.")


# Container registries


def _registries(subscription: str) -> list[dict[str, Any]]:
    """Return the registries that the caller can see, as the list of resources shows them."""
    path, kind = f"/subscriptions/{subscription}/resources", {"$filter": f"resourceType eq '{_REGISTRY}'"}
    found: list[dict[str, Any]] = _arm("GET", path, _RESOURCES, **kind).json["value"]
    return found


def _registry(name: str) -> dict[str, Any]:
    """Return a registry by its name or its login server, from all that the caller can see."""
    subscription = _signed_in()["subscription"]
    for each in _registries(subscription):
        if each["name"].lower() == name.lower().removesuffix(".azurecr.io"):
            return dict(_arm("GET", each["id"], _REGISTRIES).json)
    raise AzError(
        f"The resource with name '{name}' and type '{_REGISTRY}' could not be found in subscription '{subscription}'."
    )


def _login_server(registry: Mapping[str, Any]) -> str:
    return str(registry["properties"]["loginServer"])


def _show(options: Options) -> None:
    """Print a registry as the Azure CLI shows it: with the members of `properties`."""
    registry = _registry(options.need("--name"))
    properties = registry.pop("properties")
    options.print({**registry, **properties})


def _refresh_token(server: str) -> str:
    account = _signed_in()
    token = _token(account, _management())["access_token"]
    form = {"grant_type": "access_token", "service": server, "tenant": account["tenant"], "access_token": token}
    answer = ask("POST", f"https://{server}/oauth2/exchange", form=form)
    if answer.status != 200:
        raise AzError(
            f"Could not connect to the registry login server '{server}'. Access to registry '{server}' was denied. "
            f"Response code: {answer.status}. Please try running 'az login' again to refresh permissions."
        )
    return str(answer.json["refresh_token"])


def _login_registry(options: Options) -> None:
    server = _login_server(_registry(options.need("--name")))
    docker = shutil.which("docker")
    if docker is None:
        raise AzError("You may want to use 'az acr login -n NAME --expose-token': Docker is not installed.")
    words = [docker, "login", server, "--username", _NOBODY, "--password-stdin"]
    done = subprocess.run(words, input=_refresh_token(server), text=True, check=False)  # noqa: S603 - found on the PATH
    if done.returncode != 0:
        raise AzError("Login failed.")


def _show_image(options: Options) -> None:
    server = _login_server(_registry(options.need("--name")))
    repository, tag, digest = _split(options.need("--image", "--repository"))
    form = {"grant_type": "refresh_token", "service": server, "refresh_token": _refresh_token(server)}
    form["scope"] = f"repository:{repository}:metadata_read"
    token = ask("POST", f"https://{server}/oauth2/token", form=form).json.get("access_token")
    place = f"_manifests/{digest}" if digest else f"_tags/{tag}"
    address = f"https://{server}/acr/v1/{repository}/{place}"
    answer = ask("GET", address, headers={"Authorization": f"Bearer {token}"})
    if answer.status != 200:
        errors = answer.json.get("errors") or [{}]
        now, said = datetime.now().strftime("%Y-%m-%d %H:%M:%S.%f"), errors[0].get("message") or answer.status
        raise AzError(f"{now} Error: {said}")
    options.print(answer.json["manifest" if digest else "tag"])


def _split(image: str) -> tuple[str, str, str]:
    """Return repository, tag and digest of an image."""
    name, _, digest = image.partition("@")
    place, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        return name, "latest", digest
    return place, tag, digest


def _import(options: Options) -> None:
    target, source = _registry(options.need("--name")), options.need("--source")
    server, slash, image = source.partition("/")
    origin: dict[str, Any] = {"sourceImage": image if slash else source}
    if options.take("--registry"):
        found = options.take("--registry")
        origin = {"sourceImage": source, "resourceId": found if found.startswith("/") else _registry(found)["id"]}
    else:
        origin |= _origin(server)
    body = {
        "source": origin,
        "targetTags": [options.take("--image") or origin["sourceImage"]],
        "mode": "Force" if "--force" in options.values else "NoForce",
    }
    accepted = _arm("POST", f"{target['id']}/importImage", _REGISTRIES, body)
    while accepted.status == 202:
        wait = float(accepted.headers.get("x-ms-retry-after-ms") or 0) / 1000
        time.sleep(min(max(wait or float(accepted.headers.get("Retry-After") or 1), _AT_LEAST), _AT_MOST))
        accepted = _arm("GET", accepted.headers["Location"], _REGISTRIES)


def _origin(server: str) -> dict[str, str]:
    """Return the source of an import by its login server: a registry that the caller can see, or an address."""
    for each in _registries(_signed_in()["subscription"]):
        named = server == f"{each['name'].lower()}.azurecr.io"
        if named or server == _login_server(_arm("GET", each["id"], _REGISTRIES).json):
            return {"resourceId": each["id"]}
    return {"registryUri": server}


@dataclass(frozen=True, slots=True)
class Command:
    """A command, and the options that it knows besides those of all commands."""

    run: Callable[[Options], None]
    options: frozenset[str] = frozenset()


def _command(run: Callable[[Options], None], *options: str) -> Command:
    return Command(run, frozenset(options))


_SIGN_IN = ("--service-principal", "--username", "--password", "--federated-token", "--tenant")
COMMANDS: Mapping[tuple[str, ...], Command] = {
    ("version",): _command(_version),
    ("cloud", "set"): _command(_set_cloud, "--name"),
    ("login",): _command(_login, *_SIGN_IN, "--allow-no-subscriptions"),
    ("account", "set"): _command(_set_account, "--subscription"),
    ("account", "get-access-token"): _command(_get_token, "--resource", "--scope"),
    ("account", "clear"): _command(_clear),
    ("acr", "login"): _command(_login_registry, "--name"),
    ("acr", "show"): _command(_show, "--name"),
    ("acr", "repository", "show"): _command(_show_image, "--name", "--image", "--repository"),
    ("acr", "import"): _command(_import, "--name", "--source", "--image", "--registry", "--force"),
}


def run(words: Sequence[str]) -> int:
    """Run a command, and return the exit code of the Azure CLI: 1 for an error, 2 for a wrong command."""
    if list(words) == ["--version"]:
        sys.stdout.write(f"azure-cli {VERSION} (the az of the practice cloud)\n")
        return 0
    verbs = tuple(word for word in words[:3] if not word.startswith("-"))
    found = next((each for n in (3, 2, 1) if (each := verbs[:n]) in COMMANDS), None)
    if found is None:
        known = ", ".join(" ".join(each) for each in COMMANDS)
        sys.stderr.write(
            f"az {' '.join(verbs) or 'without a command'}: the practice az knows only {known}; "
            "install the Azure CLI to run this step.\n"
        )
        return 2
    try:
        COMMANDS[found].run(Options(found, words[len(found) :]))
    except (AzError, UnreachableError) as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return 2 if isinstance(error, UsageError) else 1
    return 0


def main() -> NoReturn:
    """Run the command line."""
    sys.exit(run(sys.argv[1:]))
