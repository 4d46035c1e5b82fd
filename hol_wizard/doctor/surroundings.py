"""What other programs have set on this machine or in the account: what the wizard overrules, ignores or leaves out.

None of it stops the wizard, so these checks pass. They say what to do about it for commands that are typed by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.errors import ServiceError
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.paths import without_invisible
from hol_wizard.resources.context import StepContext
from hol_wizard.services.git.program import FoundSetting
from hol_wizard.services.identity import sign_in_to
from hol_wizard.variables import ignored


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the wizard does not go by, or that other programs do not."""

    name: str
    """Of a setting or a variable; never its value."""
    where: str
    """The file of a setting; empty for a variable."""
    effect: str
    by_hand: str
    """What to do when commands are typed by hand; empty if nothing is needed."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """A setting of git that matters, regardless of the repository's address."""

    effect: str
    by_hand: str
    matters: Callable[[str], bool] = bool
    """Whether a value does."""


def _on(value: str) -> bool:
    return value.lower() in {"true", "yes", "on", "1"}


def _off(value: str) -> bool:
    return value.lower() in {"false", "no", "off", "0"}


_VERIFY: Final = _Rule(
    "lets git trust any server; the wizard's git verifies certificates anyway",
    "remove the setting, because git sends a sign-in to any server that answers. For your organization's own "
    "certificate, set http.sslCAInfo",
    _off,
)
_RULES: Final[Mapping[str, _Rule]] = {
    "clone.defaultRemoteName": _Rule(
        "gives the remote of a new clone another name; the wizard's clones name it origin",
        "clone with --origin origin",
        lambda value: bool(value) and value != "origin",
    ),
    "push.pushOption": _Rule(
        "sends options that Azure DevOps refuses; the wizard's pushes omit them",
        "push with: git -c push.pushOption= push",
    ),
    "push.gpgSign": _Rule(
        "signs pushes, which Azure DevOps refuses; the wizard's pushes are not signed",
        "push with --no-signed",
        _on,
    ),
    "safe.bareRepository": _Rule(
        "makes git refuse bare repositories; the wizard uses its own anyway", "", lambda value: value != "all"
    ),
    "core.hooksPath": _Rule(
        "runs hooks in every repository; the wizard's pushes run none",
        "a hook can refuse what the lab asks for; to push without it, add --no-verify",
    ),
    "commit.gpgSign": _Rule(
        "signs commits, which can ask for a passphrase",
        "to commit without a signature, add --no-gpg-sign",
        _on,
    ),
    "push.default": _Rule(
        "makes a push without further words push nothing; the wizard names the branch",
        "push with: git push origin BRANCH",
        lambda value: value.lower() == "nothing",
    ),
    "http.sslVerify": _VERIFY,
    "protocol.allow": _Rule(
        "forbids some kinds of addresses; the wizard's git uses HTTPS anyway",
        "allow HTTPS: git config --global protocol.https.allow always",
        lambda value: value.lower() != "always",
    ),
    "http.proxy": _Rule("is a proxy for git alone; the wizard's other requests do not use it", ""),
}
_BY_NAME: Final = {name.lower(): (name, rule) for name, rule in _RULES.items()}
"""By name in lowercase, as git prints it."""
_REWRITE: Final = re.compile(r"url\.(?P<other>.*)\.(?P<key>insteadof|pushinsteadof)", re.DOTALL)
_KEYS: Final = {each.lower(): each for each in ("insteadOf", "pushInsteadOf", "extraHeader", "sslVerify", "proxy")}
_FOR_A_SERVER: Final = re.compile(r"http\.(?P<server>.+)\.(?P<key>extraheader|sslverify|proxy)", re.DOTALL)
_HEADER: Final = _Rule(
    "sends a sign-in of its own; the wizard's git does not send it",
    "if git is refused, remove it: it takes precedence over your sign-in",
    lambda value: True,
)
_BY_KEY: Final = {"extraheader": _HEADER, "sslverify": _VERIFY, "proxy": _RULES["http.proxy"]}
"""Rules for the settings of one server."""
_SIGN_IN: Final = re.compile(r"(?<=://)[^/@]*@")

_VARIABLES: Final[Sequence[tuple[re.Pattern[str], str, str]]] = (
    (
        re.compile(r"GIT_SSL_NO_VERIFY"),
        "lets git trust any server",
        "unset it, because git sends a sign-in to any server that answers",
    ),
    (
        re.compile(
            r"GIT_(DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|COMMON_DIR|NAMESPACE|PREFIX"
            r"|CONFIG|CONFIG_PARAMETERS|CONFIG_COUNT|SHALLOW_FILE|GRAFT_FILE|REPLACE_REF_BASE|NO_REPLACE_OBJECTS"
            r"|INTERNAL_SUPER_PREFIX|IMPLICIT_WORK_TREE|CEILING_DIRECTORIES|TEMPLATE_DIR|EXEC_PATH|ALLOW_PROTOCOL"
            r"|PROXY_COMMAND|SSH|SSH_COMMAND)"
        ),
        "sends git to other repositories, settings or programs",
        "unset it before you run git",
    ),
    (
        re.compile(r"GIT_(TRACE\w*|CURL_VERBOSE)"),
        "makes git print or write down what it does",
        "unset it unless you need the output: it can contain a sign-in",
    ),
    (
        re.compile(r"DATABRICKS_(?!RUNTIME_VERSION$)\w+"),
        "sends databricks to another workspace, profile or account",
        "unset it before you run databricks",
    ),
    (
        re.compile(r"ARM_\w+"),
        "signs databricks and Terraform in as somebody else",
        "unset it before you run databricks",
    ),
    (
        re.compile(r"AZURE_(CLIENT_ID|TENANT_ID|CLIENT_SECRET|CLIENT_CERTIFICATE_PATH|FEDERATED_TOKEN_FILE|USERNAME)"),
        "is not enough for a sign-in from variables, so the session of az is used",
        "unset it, or set all variables of the service principal",
    ),
    (
        re.compile(r"MLFLOW_\w+"),
        "sends MLflow to another server or experiment",
        "unset it before you run the training by hand",
    ),
    (
        re.compile(r"SSLKEYLOGFILE"),
        "makes programs write the keys of their TLS connections to a file",
        "unset it: anyone who can read the file can read your sign-in",
    ),
    (
        re.compile(r"COLUMNS|LINES"),
        "fixes a terminal's size; the wizard asks the terminal itself",
        "unset it if another program draws for a wrong size",
    ),
)
"""Variables of the environment that the wizard does not go by, with their effect on other programs."""


_INVISIBLE: Final = (
    "has invisible characters at its ends, such as a carriage return; the wizard removes them",
    "set it again without them, because other programs keep them",
)
_CERTIFICATES: Final = "GIT_SSL_CAINFO"
_OTHER_CERTIFICATES: Final = (
    "makes git refuse the practice cloud's certificate, before any setting of a clone; the wizard's git trusts it",
    'unset it in a practice clone, or prepare the shell (eval "$(hol-wizard practice env)")',
)


def git_settings(context: StepContext) -> Result:
    """Check which of the person's git settings the wizard overrules, or will affect commands by hand."""
    try:
        found = context.services.git.settings()
    except ServiceError as error:
        return Result(Status.FAILED, error.message, (), f"You: {error.hint}", error.detail)
    return _told(
        "setting of git",
        "settings of git",
        list(_about_settings(found, _addresses(context))),
        "No setting of git is in the lab's way.",
    )


def _addresses(context: StepContext) -> tuple[str, ...]:
    """Return the beginnings of the addresses of the lab's repositories, as people and git write them."""
    endpoints, name = context.services.endpoints, context.profile.choices.devops_organization
    found: list[str] = []
    for place in dict.fromkeys((endpoints.known_as(endpoints.devops), endpoints.devops)):
        parts = urlsplit(place)
        if name:
            found += [f"{place}/{name}/", f"{parts.scheme}://{name}@{parts.netloc}/{name}/"]
        else:
            found.append(f"{place}/")
    return tuple(found)


def _about_settings(settings: Sequence[FoundSetting], addresses: Sequence[str]) -> Iterator[Finding]:
    # git takes the last value of a setting that can have only one.
    last = {each.name: each for each in settings}
    for each in settings:
        if rewrite := _REWRITE.fullmatch(each.name):
            if (found := _rewritten(each, rewrite["other"], rewrite["key"], addresses)) is not None:
                yield found
            continue
        if server := _FOR_A_SERVER.fullmatch(each.name):
            host = urlsplit(server["server"]).hostname or ""
            if not any(_same_server(host, address) for address in addresses):
                continue
            name, rule = f"http.{_without_sign_in(server['server'])}.{_KEYS[server['key']]}", _BY_KEY[server["key"]]
        elif each.name in _BY_NAME and each is last[each.name]:
            name, rule = _BY_NAME[each.name]
        else:
            continue
        if rule.matters(each.value):
            yield Finding(name, each.file, rule.effect, rule.by_hand)


def _without_sign_in(address: str) -> str:
    return _SIGN_IN.sub("…@", address)


def _same_server(pattern: str, address: str) -> bool:
    """Return whether git's `http.<url>.*` with this host, in which `*` is one part, is for an address."""
    host = urlsplit(address).hostname or ""
    wanted, parts = pattern.split("."), host.split(".")
    return len(wanted) == len(parts) and all(a in {"*", b} for a, b in zip(wanted, parts, strict=True))


def _rewritten(setting: FoundSetting, other: str, key: str, addresses: Sequence[str]) -> Finding | None:
    """Return what a rewriting setting does to the lab's addresses; None if it does not match one.

    git takes the longest match (git-config, `url.<base>.insteadOf`), so a setting for a longer beginning is an
    exception.

    Args:
        setting: The setting.
        other: Where it sends git.
        key: `insteadof` or `pushinsteadof`.
        addresses: The beginnings of the lab's addresses.
    """
    value = setting.value
    hit = [each for each in addresses if value and (each.startswith(value) or value.startswith(each))]
    if not hit or other == value:
        return None
    shown, effect = f"url.{_without_sign_in(other)}.{_KEYS[key]}", f"sends git to another address than {hit[0]}"
    if any(value.startswith(each) for each in hit):
        return Finding(shown, setting.file, effect, "remove the setting")
    exception = " and ".join(f"git config --global url.{each}.{_KEYS[key]} {each}" for each in hit)
    effect += "; the wizard's git goes to the right one"
    return Finding(shown, setting.file, effect, f"to except this address: {exception}")


def variables_ignored(environ: Mapping[str, str]) -> Callable[[StepContext], Result]:
    """Return the check of the variables that the wizard ignores and other programs read.

    Args:
        environ: The process's variables, before any are removed.
    """

    def run(context: StepContext) -> Result:
        read = {variable for each in INPUTS.values() for variable in each.variables}
        by_variables = context.services.identity.from_environment
        # Other programs need the terminal's size, so these two are passed on.
        names = {*ignored(environ), *({"COLUMNS", "LINES"} & set(environ))} - read
        found = [
            Finding(name, "", effect, by_hand)
            for name in sorted(names)
            for pattern, effect, by_hand in _VARIABLES
            if environ[name].strip() and pattern.fullmatch(name) and not (by_variables and name.startswith("AZURE_"))
        ]
        found += [
            Finding(name, "", *_INVISIBLE)
            for name in sorted(read & environ.keys())
            if without_invisible(environ[name]) != environ[name].strip(" ")
        ]
        if context.services.endpoints.ca_bundle is not None and environ.get(_CERTIFICATES):
            found.append(Finding(_CERTIFICATES, "", *_OTHER_CERTIFICATES))
        return _told(
            "variable", "variables", found, "No variable that the wizard ignores is in the way of other programs."
        )

    return run


def _told(one: str, many: str, found: Sequence[Finding], nothing: str) -> Result:
    """Return the result for findings about one subject; the person's values are not in it."""
    if not found:
        return Result(Status.PASSED, nothing)
    seen = tuple(
        Expectation(f"{each.name} ({each.where})" if each.where else each.name, "any", each.effect, met=True)
        for each in found
    )
    grouped: dict[tuple[str, str], list[str]] = {}
    for each in found:
        names = grouped.setdefault((each.effect, each.by_hand), [])
        if each.name not in names:
            names.append(each.name)
    effects = [f"{', '.join(names)} {effect}" for (effect, _), names in grouped.items()]
    advice = [f"{', '.join(names)}: {by_hand}" for (_, by_hand), names in grouped.items() if by_hand]
    number = len({each.name for each in found})
    return Result(
        Status.PASSED,
        f"The wizard works around {_counted(number, one, many)}. {'. '.join(effects)}.",
        seen,
        f"You, for commands by hand: {' · '.join(advice)}" if advice else "",
    )


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def directories(context: StepContext) -> Result:
    """Check whether each directory of the account could be asked for its subscriptions."""
    identity = context.services.identity
    visible = identity.subscriptions()
    number = len({each.tenant for each in visible})
    seen = [Expectation("Directories with subscriptions", "any", str(number), met=True)]
    left_out = identity.left_out
    seen += [Expectation(f"Directory {each.name}", "any", each.reason, met=True) for each in left_out]
    if not left_out:
        where = _counted(number, "directory", "directories") if number else "no directory"
        return Result(Status.PASSED, f"The account sees subscriptions in {where}; none was left out.", tuple(seen))
    return Result(
        Status.PASSED,
        f"{_counted(len(left_out), 'directory was', 'directories were')} left out. "
        + " ".join(f"{each.name}: {each.reason}" for each in left_out),
        tuple(seen),
        f"You, if the lab's subscription is in {'it' if len(left_out) == 1 else 'one of them'}: sign in to "
        f"{sign_in_to(left_out)}",
    )
