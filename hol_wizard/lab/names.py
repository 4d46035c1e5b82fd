"""The names of everything that the lab creates, derived from a few choices.

One prefix names a whole lab. Globally unique names end in five characters that are computed from the subscription and
the prefix, so that the same choices result in the same names on every machine and at every start.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from hol_wizard.errors import UsageError
from hol_wizard.lab.model import Environment
from hol_wizard.paths import home_folder, shown

SHORTEST_PREFIX: Final = 2
LONGEST_PREFIX: Final = 24
"""Azure would accept more, but a name in a table, a prompt or a URL should be readable at a glance."""

USUAL_BRANCH: Final = "main"
"""Assumed name of a repository's default branch until the actual one is known."""

UNKNOWN_SUFFIX: Final = "?????"
"""Placeholder for the five characters while no subscription is chosen."""

SUFFIX_TO_COME: Final = f"{UNKNOWN_SUFFIX}: five characters derived from the subscription, which you choose next."
"""Note below a list of names with that placeholder."""

_SUFFIX_LENGTH: Final = 5
_BASE36: Final = "0123456789abcdefghijklmnopqrstuvwxyz"

_MADE_WORKING: Final = (Environment.DEV, Environment.PIPELINE)
_MADE_EVERYWHERE: Final = tuple(Environment)

BOUND: Final[Mapping[str, tuple[Environment, ...]]] = {
    "environment": _MADE_EVERYWHERE,
    "resource_group": _MADE_EVERYWHERE,
    "service_principal": _MADE_EVERYWHERE,
    "storage_account": _MADE_WORKING,
    "key_vault": _MADE_WORKING,
    "databricks_workspace": _MADE_WORKING,
    "managed_resource_group": _MADE_WORKING,
    "ml_workspace": _MADE_WORKING,
    "ml_storage_account": _MADE_WORKING,
    "ml_key_vault": _MADE_WORKING,
    "log_analytics": _MADE_WORKING,
    "application_insights": _MADE_WORKING,
    "build_identity": (Environment.PIPELINE,),
    "container_registry": (Environment.PROD,),
}
"""Placeholders that differ between environments, with the environments in which the lab creates the resource."""

KINDS: Final[Mapping[str, str]] = {
    "resource_group": "Resource group",
    "storage_account": "Data lake",
    "key_vault": "Key vault",
    "databricks_workspace": "Databricks workspace",
    "managed_resource_group": "Databricks' own resource group",
    "ml_workspace": "Machine Learning workspace",
    "ml_storage_account": "Machine Learning's storage account",
    "ml_key_vault": "Machine Learning's key vault",
    "log_analytics": "Log Analytics workspace",
    "application_insights": "Application Insights",
    "build_identity": "Identity of the build",
    "container_registry": "Container registry",
    "service_principal": "Service principal",
}
"""The kind of resource for each derived name, in words."""

FIXED: Final[Mapping[str, str]] = {
    "file_system": "datalake",
    "secret_scope": "data-lake",
    "cluster": "cpu",
    "data_file": "AdultCensusIncome.csv",
    "variable_group": "hol-pipeline-kv",
    "service_connection": "hol-azure",
    "model": "worst_regression",
    "image": "hol-inference",
}
"""Names that are the same in every lab."""


class Rule(NamedTuple):
    """What a service accepts as the name of one kind of resource."""

    pattern: str
    """A regular expression for the whole name, ASCII only."""
    words: str
    source: str
    """The source of the rule."""


_NAME_RULES = "learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules"
_RESOURCE_GROUP = Rule(
    r"[-\w.()]{0,89}[-\w()]",
    "1 to 90 letters, digits, `-`, `_`, `.`, `(` or `)`, not ending in `.`",
    "azure-rest-api-specs resources/2024-07-01 resourceGroupName",
)
_STORAGE = Rule(
    r"[a-z0-9]{3,24}", "3 to 24 lowercase letters or digits", "azure-rest-api-specs storage/2023-05-01 accountName"
)
_KEY_VAULT = Rule(
    r"(?=.{3,24}\Z)[A-Za-z](?:-?[A-Za-z0-9])*",
    "3 to 24 letters, digits or single `-`, beginning with a letter, not ending in `-`",
    f"azure-rest-api-specs keyvault/2023-07-01 vaultName; {_NAME_RULES}",
)
_DEVOPS = Rule(
    r"(?![_.])[^\\/:*?\"<>|;#$'{},+=\[\]@~\x00-\x1f]{1,64}(?<!\.)",
    "1 to 64 characters, all of them allowed in a file name",
    "learn.microsoft.com/azure/devops/organizations/settings/naming-restrictions",
)

RULES: Final[Mapping[str, Rule]] = {
    "resource_group": _RESOURCE_GROUP,
    "managed_resource_group": _RESOURCE_GROUP,
    "storage_account": _STORAGE,
    "ml_storage_account": _STORAGE,
    "key_vault": _KEY_VAULT,
    "ml_key_vault": _KEY_VAULT,
    "databricks_workspace": Rule(
        r"[A-Za-z0-9_-]{3,64}",
        "3 to 64 letters, digits, `-` or `_`",
        f"azure-rest-api-specs databricks/2024-05-01 workspaceName (length); {_NAME_RULES}",
    ),
    "ml_workspace": Rule(
        r"[A-Za-z0-9][A-Za-z0-9_-]{2,32}",
        "3 to 33 letters, digits, `-` or `_`, beginning with a letter or digit",
        "azure-rest-api-specs machinelearning/2024-04-01 workspaceName",
    ),
    "log_analytics": Rule(
        r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
        "4 to 63 letters, digits or `-`, beginning and ending with a letter or digit",
        _NAME_RULES,
    ),
    "application_insights": Rule(
        r"[A-Za-z0-9._()-]{0,254}[A-Za-z0-9_()-]",
        "1 to 255 letters, digits, `-`, `_`, `.`, `(` or `)`, not ending in `.`",
        _NAME_RULES,
    ),
    "container_registry": Rule(r"[A-Za-z0-9]{5,50}", "5 to 50 letters or digits", _NAME_RULES),
    "service_principal": Rule(r"[^\x00-\x1f<>;&%]{1,120}", "1 to 120 characters", "Microsoft Graph application"),
    "build_identity": Rule(
        r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}",
        "3 to 128 letters, digits, `-` or `_`, beginning with a letter or digit",
        f"{_NAME_RULES} (Microsoft.ManagedIdentity)",
    ),
    "devops_project": _DEVOPS,
    "repository": _DEVOPS,
    "pipeline": _DEVOPS,
}
"""The services' rules, each with its source."""

_RESERVED_ANYWHERE: Final = ("microsoft", "windows")
_RESERVED_AT_THE_START: Final = ("login", "xbox")
_DEVICES: Final = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
"""Windows reserves these file names: learn.microsoft.com/windows/win32/fileio/naming-a-file."""
_SHARED_BRANCHES: Final = {"main", "master", "head", "trunk", "develop"}


def problem_with_name(kind: str, name: str) -> str:
    """Return which rule of its service a name breaks; empty if it breaks none.

    In addition to the table's rules, a name that is part of an address must not contain a word that Azure reserves
    (`ReservedResourceName`, learn.microsoft.com/azure/azure-resource-manager/troubleshooting/
    error-reserved-resource-name).

    Args:
        kind: A key of `RULES`.
        name: The proposed name.
    """
    rule = RULES[kind]
    if not re.fullmatch(rule.pattern, name, re.ASCII):
        return f"`{name}` cannot be the name of a {kind.replace('_', ' ')}: it must be {rule.words}."
    if word := _reserved_word(name):
        return f"`{name}` contains `{word}`, a word that Azure reserves."
    return ""


def _reserved_word(name: str) -> str:
    folded = name.casefold()
    for word in _RESERVED_ANYWHERE:
        if word in folded:
            return word
    return next((word for word in _RESERVED_AT_THE_START if folded.startswith(word)), "")


def plain(text: str) -> str:
    """Return a text as lowercase ASCII: `Müller` becomes `muller`."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()


def _proposal(prefix: str) -> str:
    """Return the nearest valid prefix."""
    words = re.sub(r"[^a-z0-9]+", "-", plain(prefix)).lstrip("-0123456789")
    for word in _RESERVED_ANYWHERE:
        words = re.sub("-?".join(word), "", words)
    for word in _RESERVED_AT_THE_START:
        words = re.sub("^" + "-?".join(word), "", words)
    words = re.sub(r"-+", "-", words).lstrip("-0123456789")[:LONGEST_PREFIX].strip("-")
    return words if len(words) >= SHORTEST_PREFIX and not _prefix_rule(words) else "contoso"


def _prefix_rule(prefix: str) -> str:
    compact = prefix.replace("-", "").casefold()
    if not prefix:
        return "It is empty."
    if len(prefix) < SHORTEST_PREFIX:
        return f"It is shorter than {SHORTEST_PREFIX} characters."
    if len(prefix) > LONGEST_PREFIX:
        return f"It has {len(prefix)} characters; the maximum is {LONGEST_PREFIX}."
    if strange := next((character for character in prefix if character not in _BASE36 + "-"), ""):
        return f"It contains {shown(strange)}; only lowercase letters a to z, digits and `-` are allowed."
    if not prefix[0].isalpha():
        return "It must begin with a letter, because the name of a key vault must."
    if prefix.endswith("-"):
        return "It ends in `-`."
    if "--" in prefix:
        return "It has two `-` in a row, which the name of a key vault must not have."
    if word := _reserved_word(compact):
        return f"It contains `{word}`, a word that Azure reserves."
    return ""


def problem_with_prefix(prefix: str) -> str:
    """Return which rule a prefix breaks, with a valid proposal; empty if it is valid.

    The rules are those of all names derived from it (`RULES`), so that a valid prefix results only in names that Azure
    accepts.
    """
    if problem := _prefix_rule(prefix):
        return f"{problem} For example: {_proposal(prefix)}"
    return ""


def problem_with_alias(alias: str) -> str:
    """Return why an alias cannot be the name of the reader's git branch; empty if it can.

    git-scm.com/docs/git-check-ref-format, and the rules for file names on Windows, where a branch is a file.
    """
    example = f" For example: {alias_from_user(alias)}"
    if not alias:
        return f"It is empty.{example}"
    if len(alias) > 40:
        return f"It has {len(alias)} characters; the maximum is 40.{example}"
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9_-])?", alias) or ".." in alias or alias.endswith(".lock"):
        return (
            "It must consist of lowercase letters, digits, `-`, `_` and single `.`, begin with a letter or digit, "
            "and end in "
            f"neither `.` nor `.lock`, because it is the name of a git branch.{example}"
        )
    if alias in _SHARED_BRANCHES:
        return f"`{alias}` is a branch that everybody shares; your own branch needs another name.{example}"
    if alias.partition(".")[0] in _DEVICES:
        return f"Windows cannot have a file called `{alias}`, and git keeps a branch in a file.{example}"
    return ""


def alias_from_user(user: str) -> str:
    """Return the alias that a user name suggests: `Jane.Doe@contoso.com` becomes `jane.doe`.

    Accepts a user principal name, a guest's (`jane_contoso.com#EXT#@fabrikam.onmicrosoft.com`), and an operating
    system's (`CONTOSO\\jane`).
    """
    name = user.rpartition("\\")[2]
    if "#EXT#" in name:
        name = name.partition("#EXT#")[0].rpartition("_")[0]
    name = plain(name.partition("@")[0])
    name = re.sub(r"[^a-z0-9._-]+", "-", name)
    name = re.sub(r"\.{2,}", ".", name)[:31].strip("._-")
    while name.endswith(".lock"):
        name = name.removesuffix(".lock").rstrip("._-")
    if name in _SHARED_BRANCHES or name.partition(".")[0] in _DEVICES:
        name = f"attendee-{name}"
    return name or "attendee"


def location_name(text: str) -> str:
    """Return the name of a region as in Azure's APIs: `(Europe) West Europe` becomes `westeurope`."""
    return re.sub(r"[\s_-]+", "", re.sub(r"^\s*\([^)]*\)", "", text)).lower()


def _suffix(subscription: str, prefix: str) -> str:
    import hashlib

    digest = hashlib.sha256((subscription.lower() + prefix).encode()).digest()
    number = int.from_bytes(digest) % 36**_SUFFIX_LENGTH
    digits = ""
    for _ in range(_SUFFIX_LENGTH):
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
    return digits


def _cut(prefix: str, length: int) -> str:
    return prefix[:length].rstrip("-")


@dataclass(frozen=True, slots=True)
class EnvironmentNames:
    """The names of the resources in one environment; empty for a resource that the lab does not create there."""

    environment: Environment
    resource_group: str
    service_principal: str
    storage_account: str = ""
    """Name of the data lake."""
    key_vault: str = ""
    databricks_workspace: str = ""
    managed_resource_group: str = ""
    """Databricks creates it next to the workspace and keeps it locked."""
    ml_workspace: str = ""
    ml_storage_account: str = ""
    """Storage account of the ML workspace, without hierarchical namespace, which the workspace does not support."""
    ml_key_vault: str = ""
    """Key vault of the Machine Learning workspace: a Databricks scope over it would show its secrets to everybody."""
    log_analytics: str = ""
    application_insights: str = ""
    build_identity: str = ""
    """The identity that the build pipeline works as."""
    container_registry: str = ""


class CreatedName(NamedTuple):
    """One resource that the lab will create, to be shown before."""

    environment: Environment
    kind: str
    """The kind in words: `Key vault`."""
    placeholder: str
    name: str


@dataclass(frozen=True, slots=True)
class Names:
    """The values of all placeholders for one reader.

    A choice that is not made yet is shown as its name in square brackets: `[prefix]-db-dev`.
    """

    prefix: str = ""
    location: str = ""
    subscription: str = ""
    subscription_name: str = ""
    tenant: str = ""
    alias: str = ""
    user: str = ""
    """Who is signed in."""
    devops_organization: str = ""
    default_branch: str = USUAL_BRANCH
    """Default branch of the repository."""
    cloud: str = "azure"
    chosen_folder: str = ""
    """Where the reader wants the clone; empty for the default folder."""
    profile: str = ""
    """The wizard's profile unless it is the default one: each has its own clone and Git folder."""

    @property
    def suffix(self) -> str:
        """The five characters that make names globally unique."""
        return _suffix(self.subscription, self.prefix) if self.subscription else UNKNOWN_SUFFIX

    def of(self, environment: Environment) -> EnvironmentNames:
        """Return the names in one environment."""
        prefix = self.prefix or "[prefix]"
        compact = prefix.replace("-", "")
        group, principal = f"{prefix}-db-{environment}", f"hol-{prefix}-{environment}"
        if environment not in _MADE_WORKING:
            registry = f"{compact[:42]}acr{self.suffix}"
            return EnvironmentNames(environment, group, principal, container_registry=registry)
        letter, suffix = environment[0], self.suffix
        workspace = f"{prefix}-{environment}"
        machine_learning = f"-ml-{environment}"
        return EnvironmentNames(
            environment,
            group,
            principal,
            storage_account=f"{compact[:13]}dl{letter}{suffix}",
            key_vault=f"{_cut(prefix, 12)}-kv-{letter}-{suffix}",
            databricks_workspace=workspace,
            managed_resource_group=f"databricks-rg-{workspace}-{suffix}",
            ml_workspace=_cut(prefix, 33 - len(machine_learning)) + machine_learning,
            ml_storage_account=f"{compact[:13]}ml{letter}{suffix}",
            ml_key_vault=f"{_cut(prefix, 11)}-mlkv-{letter}-{suffix}",
            log_analytics=f"{prefix}-logs-{environment}",
            application_insights=f"{prefix}-insights-{environment}",
            build_identity=f"hol-{prefix}-build" if environment is Environment.PIPELINE else "",
        )

    @property
    def devops_project(self) -> str:
        """The Azure DevOps project's name."""
        return f"{self.prefix or '[prefix]'}-hol"

    @property
    def repository(self) -> str:
        """The git repository's name."""
        return self.devops_project

    @property
    def branch(self) -> str:
        """The reader's own branch."""
        return self.alias or "[alias]"

    @property
    def git_folder(self) -> str:
        """The name of the reader's Git folder in their folder of the Databricks workspace."""
        return f"{self.repository}-{self.profile}" if self.profile else self.repository

    @property
    def clone_folder(self) -> str:
        """Absolute path of the reader's clone of the repository, whether it exists or not."""
        return self.chosen_folder or str(home_folder() / "hol-lab" / self.cloud / self.git_folder)

    @property
    def home_folder(self) -> str:
        """Absolute path of the reader's home folder; its name in square brackets if it cannot be determined."""
        try:
            return str(home_folder())
        except UsageError:
            return "[home_folder]"

    @property
    def pipeline(self) -> str:
        """The build pipeline's name."""
        return f"{self.prefix or '[prefix]'}-build"

    @property
    def release_pipeline(self) -> str:
        """The release pipeline's name."""
        return f"{self.prefix or '[prefix]'}-release"

    @property
    def build_identity(self) -> str:
        """The name of the identity that the build pipeline works as, in the pipeline's environment."""
        return self.of(Environment.PIPELINE).build_identity

    def values(self, environment: Environment | None = None) -> Mapping[str, str]:
        """Return the value of each placeholder (`hol_wizard.lab.text.fill`).

        Args:
            environment: The step's environment; a name without an environment in front of it means this one.
        """
        return _values(self, environment, self.clone_folder, self.home_folder)

    def created(self) -> tuple[CreatedName, ...]:
        """Return everything that the lab will create in Azure, environment by environment."""
        return tuple(
            CreatedName(environment, words, kind, getattr(self.of(environment), kind))
            for environment in Environment
            for kind, words in KINDS.items()
            if environment in BOUND[kind]
        )

    def problems(self) -> tuple[str, ...]:
        """Return the broken rule for each derived name that its service would refuse; empty for a valid prefix."""
        made = [(each.placeholder, each.name) for each in self.created()]
        made += [(kind, getattr(self, kind)) for kind in ("devops_project", "repository", "pipeline")]
        found = (problem_with_name(kind, name.replace(UNKNOWN_SUFFIX, "00000")) for kind, name in made)
        return tuple(problem for problem in found if problem)


UNKNOWN_NAME: Final = re.compile(
    rf"\[({'|'.join(field.name for field in fields(Names))})\]|{re.escape(UNKNOWN_SUFFIX)}"
)
"""Matches the placeholder for a choice that is not made yet; without a group, it is the five characters."""

_CHOSEN: Final = tuple(field.name for field in fields(Names) if field.name not in {"cloud", "chosen_folder", "profile"})
_DERIVED: Final = ("devops_project", "repository", "branch", "git_folder", "clone_folder", "home_folder", "pipeline")

PLAIN: Final = frozenset((*_CHOSEN, *_DERIVED, *FIXED))
"""Placeholders that are the same in every environment."""


MEANINGS: Final[Mapping[str, str]] = {
    "prefix": "The prefix of all names",
    "location": "The Azure region",
    "subscription": "The ID of the subscription",
    "subscription_name": "The name of the subscription",
    "tenant": "The ID of the subscription's directory",
    "alias": "The reader's short name",
    "user": "Who is signed in",
    "devops_organization": "The Azure DevOps organization",
    "default_branch": "The default branch of the repository",
    "devops_project": "The Azure DevOps project",
    "repository": "The git repository",
    "branch": "The reader's own branch",
    "git_folder": "The reader's Git folder in Databricks",
    "clone_folder": "The path of the reader's clone",
    "home_folder": "The path of the reader's home folder",
    "pipeline": "The build pipeline",
    "file_system": "The container in the data lake",
    "secret_scope": "The Databricks secret scope",
    "cluster": "The Databricks cluster",
    "data_file": "The data file",
    "variable_group": "The variable group of the pipelines",
    "service_connection": "The service connection of the pipelines",
    "model": "The registered model",
    "image": "The image of the inference container",
    "environment": "The environment of the step",
    **KINDS,
}
"""What each placeholder stands for, in words."""


@lru_cache(maxsize=16)
def _values(names: Names, environment: Environment | None, clone_folder: str, home: str) -> Mapping[str, str]:
    """Return the values; the folders are separate because they also depend on the environment of the process."""
    values = {name: getattr(names, name) or f"[{name}]" for name in _CHOSEN}
    values |= {name: getattr(names, name) for name in _DERIVED}
    values |= {"clone_folder": clone_folder, "home_folder": home}
    values |= FIXED
    for each in Environment:
        these = names.of(each)
        here = {name: str(getattr(these, name)) for name, made in BOUND.items() if each in made}
        values |= {f"{each}.{name}": value for name, value in here.items()}
        if each is environment:
            values |= here
    return MappingProxyType(values)
