"""The inputs that a person is asked for, and all ways to provide them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hol_wizard.lab.names import (
    alias_from_user,
    location_name,
    problem_with_alias,
    problem_with_prefix,
)
from hol_wizard.lab.regions import problem_with_region
from hol_wizard.paths import expanded, problem_with_saved_path, problem_with_text, without_invisible

_GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


ORIGINAL: Final = "original"
STAND_IN: Final = "stand-in"
"""Special values instead of one's own data file: from the public source, or generated."""


MANAGED_IDENTITY: Final = "managed-identity"
APP_REGISTRATION: Final = "app-registration"
"""What a service connection can sign in as."""


_LONGEST_MESSAGE: Final = 100
"""Characters of a commit message, which has one line here."""
_LONGEST_DESCRIPTION: Final = 250
"""Characters of a pull request's description, which has one line here; on its page it can be longer."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input of the lab."""

    name: str
    """Its name in a step's `inputs`."""
    label: str
    """Text above the field."""
    help: str
    """Text below the field: its purpose and its possible values."""
    metavar: str
    """Placeholder for the value in a command's help: `--prefix NAME`."""
    option: str
    """Help of the command's option; a secret has no option, because other programs can see a command's options."""
    rule: Callable[[str], str]
    """Returns what is wrong with a normalized value; empty if it is valid."""
    form: Callable[[str], str]
    """Converts a value without invisible characters around it into the form that is saved."""
    required: bool = True
    """Whether a solve that asks for it requires a value."""
    default: str = ""
    """Default value."""
    options: tuple[tuple[str, str], ...] = ()
    """Its only possible values, each with its label; empty if every valid value is possible."""
    listed: bool = False
    """Whether the cloud is asked for the possible values."""
    others: bool = False
    """Whether a value that the cloud does not list is also possible."""
    long: bool = False
    """Whether the value may take several lines to type."""
    when: tuple[str, str] | None = None
    """Another input and the value for which this input is asked; None to ask always."""
    secret: bool = False
    """Whether it is kept only in the keyring, never in a file or a command's option."""
    keyring: str = ""
    """A secret's name in the keyring; it may contain another input as a placeholder."""
    is_path: bool = False
    """Whether it is the path of a file or a folder, whose name need not be UTF-8."""
    also: tuple[str, ...] = ()
    """Further environment variables for it: those of other programs."""

    def normalise(self, value: str) -> str:
        """Return what was typed, pasted or read from a variable in the form that is saved."""
        return self.form(without_invisible(value))

    def validate(self, value: str) -> str:
        """Return what is wrong with a typed value, to be shown under the field; empty if it is valid."""
        kept = self.normalise(value)
        if problem := problem_with_text(kept, is_list=self.long, is_path=self.is_path):
            return f"{problem[0].upper()}{problem[1:]}."
        return self.rule(kept)

    @property
    def flag(self) -> str:
        """The command's option: `--devops-organization`."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """The environment variable: `HOL_WIZARD_DEVOPS_ORGANIZATION`."""
        return f"HOL_WIZARD_{self.name.upper()}"

    @property
    def key(self) -> str:
        """The key in the profile's file (`hol_wizard.lab.choices`)."""
        return self.name

    @property
    def variables(self) -> tuple[str, ...]:
        """All environment variables for it, in order of precedence."""
        return (self.variable, *self.also)

    def asked_with(self, values: Mapping[str, str]) -> bool:
        """Return whether it is asked for if the other inputs have these values."""
        return self.when is None or values.get(self.when[0], "") == self.when[1]

    def keyring_name(self, values: Mapping[str, str]) -> str:
        """Return a secret's name in the keyring: `devops-token/contoso`.

        Args:
            values: The values of the other inputs.
        """
        return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], ""), self.keyring).lower()


def _prefix(text: str) -> str:
    return text.strip().lower()


def _alias(text: str) -> str:
    text = text.strip()
    return alias_from_user(text) if "@" in text or "\\" in text else text.lower()


def _subscription(text: str) -> str:
    text = text.strip().strip("{}").lower()
    found = re.match(rf"/subscriptions/({_GUID})(?:/|\Z)", text)
    return found[1] if found else text


def _problem_with_subscription(subscription: str) -> str:
    if re.fullmatch(_GUID, subscription):
        return ""
    return (
        "It is not the ID of a subscription, which looks like 00000000-0000-0000-0000-000000000000. "
        "`az account list --output table` shows your IDs."
    )


def _organization(text: str) -> str:
    text = re.sub(r"^https?://", "", text.strip(), flags=re.IGNORECASE)
    text = re.sub(r"^(?:[^@/]+@)?dev\.azure\.com/", "", text, flags=re.IGNORECASE)
    return re.sub(r"\.visualstudio\.com$", "", text.partition("/")[0], flags=re.IGNORECASE)


def _problem_with_organization(organization: str) -> str:
    """Return what is wrong; learn.microsoft.com/azure/devops/organizations/settings/naming-restrictions."""
    if re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,48}[A-Za-z0-9])?", organization):
        return ""
    return (
        "It must be 1 to 50 letters, digits or `-`, and begin and end with a letter or digit: the word after "
        "https://dev.azure.com/ in your organization's address. For example: contoso"
    )


def _one_of(*values: str) -> Callable[[str], str]:
    allowed = ", ".join(values)
    return lambda text: "" if text in values else f"It must be one of: {allowed}."


def _word(text: str) -> str:
    return text.strip().lower()


def _problem_with_node_type(name: str) -> str:
    """Return what is wrong; learn.microsoft.com/azure/virtual-machines/vm-naming-conventions."""
    if re.fullmatch(r"(?:Standard|Basic)_[A-Za-z]++[0-9][A-Za-z0-9_-]*", name):
        return ""
    return "It is not the name of an Azure virtual machine size. For example: Standard_D4ds_v5"


def addresses(text: str) -> tuple[str, ...]:
    """Return the e-mail addresses in a list, in lowercase, each once."""
    return tuple(dict.fromkeys(part.lower() for part in re.split(r"[\s,;]+", text) if part))


def _addresses(text: str) -> str:
    return ", ".join(addresses(text))


def _problem_with_addresses(text: str) -> str:
    wrong = [each for each in addresses(text) if not re.fullmatch(r"[^@\s<>\"]+@[^@\s<>\".]+(?:\.[^@\s<>\".]+)+", each)]
    if not text:
        return "It contains no e-mail address. For example: robin@contoso.com, sam@contoso.com"
    if not wrong:
        return ""
    lines = [f"“{each}” is not an e-mail address." for each in wrong]
    return "\n".join(lines) + " For example: robin@contoso.com, sam@contoso.com"


def _problem_with_addresses_in_a_line(text: str) -> str:
    return _problem_with_addresses(text).replace("\n", " ")


def _address(text: str) -> str:
    return text.strip().lower()


def _problem_with_cluster_user(text: str) -> str:
    """Return what is wrong.

    Databricks identifies people by their address, and service principals by their client ID.
    """
    if re.fullmatch(_GUID, text) or (len(addresses(text)) == 1 and not _problem_with_addresses(text)):
        return ""
    return "It is neither an e-mail address nor the client id of an application. For example: robin@contoso.com"


def _problem_with_token(text: str) -> str:
    """Return what is wrong: 52 characters in the older format, 84 in the current one.

    learn.microsoft.com/azure/devops/organizations/accounts/use-personal-access-tokens-to-authenticate (changes to the
    format). Only the service knows whether it accepts the token. The text never quotes the value.
    """
    if re.fullmatch(r"[A-Za-z0-9]{20,200}", text):
        return ""
    return "It is not a personal access token, which consists of 52 or 84 letters and digits."


def _folder(text: str) -> str:
    text = text.strip().strip("\"'")
    return str(expanded(text)) if text else ""


def _problem_with_email(text: str) -> str:
    if re.fullmatch(r"[^\s@<>]+@[^\s@<>]+", text):
        return ""
    return "It is not an e-mail address. For example: robin@contoso.com"


def _problem_with_clone_folder(text: str) -> str:
    if not text:
        return "It is empty. For example: ~/hol-lab/azure/contoso-hol"
    if problem := problem_with_saved_path(text):
        return f"It cannot be a folder: {problem}."
    if Path(text).is_file():
        return "It is a file, not a folder. For example: ~/hol-lab/azure/contoso-hol"
    return ""


def _problem_with_message(text: str) -> str:
    """Return what is wrong; longer first lines are cut off in lists of commits (git-commit, DISCUSSION)."""
    if not text:
        return "It is empty. For example: Add a test of the model"
    if len(text) > _LONGEST_MESSAGE:
        return f"It has {len(text)} characters, but at most {_LONGEST_MESSAGE} fit into a list of commits."
    return ""


def _described_as(example: str, page: str) -> Callable[[str], str]:
    """Return the rule for a description.

    Args:
        example: One.
        page: The page of Azure DevOps where it can be longer.
    """

    def problem(text: str) -> str:
        if not text:
            return f"It is empty. For example: {example}"
        if len(text) > _LONGEST_DESCRIPTION:
            return f"It has {len(text)} characters, and at most {_LONGEST_DESCRIPTION} fit here. {page} takes more."
        return ""

    return problem


def _data_file(text: str) -> str:
    text = text.strip().strip("\"'")
    if not text or text.lower() in {ORIGINAL, STAND_IN}:
        return text.lower()
    return str(expanded(text))


def _problem_with_data_file(text: str) -> str:
    """Return what is wrong; a file that no longer exists must not keep the profile from being read."""
    if problem := problem_with_saved_path(text):
        return f"It cannot be a file: {problem}."
    if text not in {ORIGINAL, STAND_IN} and Path(text).is_dir():
        return "It is a folder, not a file. For example: AdultCensusIncome.csv"
    return ""


INPUTS: Final[Mapping[str, Input]] = {
    each.name: each
    for each in (
        Input(
            "prefix",
            "Prefix",
            "The prefix of all names in this lab: 2 to 24 lowercase letters, digits and `-`.",
            "NAME",
            "prefix of all names",
            problem_with_prefix,
            _prefix,
        ),
        Input(
            "location",
            "Region",
            "The Azure region for everything, such as westeurope. Choose the nearest one that "
            "offers Azure Databricks and Machine Learning.",
            "REGION",
            "the Azure region",
            problem_with_region,
            location_name,
            listed=True,
        ),
        Input(
            "alias",
            "Alias",
            "Your short name in this class, which is also the name of your git branch.",
            "NAME",
            "your short name, which is also the name of your git branch",
            problem_with_alias,
            _alias,
        ),
        Input(
            "subscription",
            "Subscription",
            "The ID of the Azure subscription that pays for the lab. If you have only one, it is found automatically.",
            "ID",
            "the Azure subscription",
            _problem_with_subscription,
            _subscription,
            required=False,
            listed=True,
        ),
        Input(
            "devops_organization",
            "Azure DevOps organization",
            "The word after https://dev.azure.com/ in the organization's address.",
            "NAME",
            "Azure DevOps organization: the word after dev.azure.com/",
            _problem_with_organization,
            _organization,
            listed=True,
            others=True,
        ),
        Input(
            "devops_sign_in",
            "Azure DevOps sign-in",
            "entra: with the account that the wizard is signed in as. token: with a personal access token, for "
            "an organization that requires one.",
            "WAY",
            "sign-in to Azure DevOps: entra (default) or token",
            _one_of("entra", "token"),
            _word,
            required=False,
            default="entra",
            options=(("entra", "The account of the wizard's sign-in"), ("token", "A personal access token")),
        ),
        Input(
            "devops_token",
            "Personal access token",
            "Create it at https://dev.azure.com/ORGANIZATION/_usersettings/tokens with the scopes Code: Read & write, "
            "Project and Team: Read; the organizer also needs Project and Team: Read, write & manage, and Member "
            "Entitlement Management: Read & write. It is kept only in this system's keyring.",
            "TOKEN",
            "",
            _problem_with_token,
            str.strip,
            when=("devops_sign_in", "token"),
            secret=True,
            keyring="devops-token/{devops_organization}",
            also=("AZURE_DEVOPS_EXT_PAT",),
        ),
        Input(
            "devops_users",
            "Users to invite",
            "The e-mail addresses with which people sign in, separated by commas, semicolons or spaces. Leave it "
            "empty to invite nobody.",
            "ADDRESSES",
            "e-mail addresses to invite, separated by commas",
            _problem_with_addresses,
            _addresses,
            required=False,
            long=True,
        ),
        Input(
            "devops_access_level",
            "Their access level",
            "basic: for everybody who reads or writes code; the first five users of an organization are free. "
            "stakeholder: "
            "free, but without Repos.",
            "LEVEL",
            "their access level in Azure DevOps: basic (default) or stakeholder",
            _one_of("basic", "stakeholder"),
            _word,
            required=False,
            default="basic",
            options=(("basic", "Basic"), ("stakeholder", "Stakeholder: without Repos")),
        ),
        Input(
            "git_name",
            "Your name in commits",
            "git writes it into each commit. Leave it empty to use the name of your sign-in.",
            "NAME",
            "your name in commits",
            lambda text: "" if text else "It is empty. For example: Robin Smith",
            str.strip,
            required=False,
        ),
        Input(
            "git_email",
            "Your e-mail address in commits",
            "git writes it into each commit. Leave it empty to use that of your sign-in.",
            "ADDRESS",
            "your e-mail address in commits",
            _problem_with_email,
            str.strip,
            required=False,
        ),
        Input(
            "clone_folder",
            "Folder of your clone",
            "The folder on this machine for the clone. Leave it empty to use hol-lab in your home folder.",
            "FOLDER",
            "folder of your clone of the repository",
            _problem_with_clone_folder,
            _folder,
            required=False,
            is_path=True,
        ),
        Input(
            "cluster_size",
            "Cluster size",
            "single-node: one machine with 4 cores, enough for the lab's data. autoscaling: a driver and 2 to 8 "
            "workers, as in the original lab, at least 12 cores.",
            "SIZE",
            "size of the Databricks cluster: single-node (default) or autoscaling",
            _one_of("single-node", "autoscaling"),
            _word,
            required=False,
            default="single-node",
            options=(("single-node", "Single node, 4 cores"), ("autoscaling", "Autoscaling, 2 to 8 workers")),
        ),
        Input(
            "node_type",
            "Machine type",
            "The Azure virtual machine size of the cluster, such as Standard_D4ds_v5. Leave it empty to use the "
            "smallest "
            "one that fits and that the subscription's quota allows.",
            "SIZE",
            "virtual machine size of the cluster, such as Standard_D4ds_v5",
            _problem_with_node_type,
            str.strip,
            required=False,
        ),
        Input(
            "cluster_user",
            "Cluster user",
            "Who works on the cluster of dev: the address that they sign in to Azure with. Databricks runs nobody "
            "else's notebooks on it. Empty: you.",
            "ADDRESS",
            "who works on the cluster of dev (default: you)",
            _problem_with_cluster_user,
            _address,
            required=False,
        ),
        Input(
            "own_data_file",
            "Your own data file",
            "A copy of AdultCensusIncome.csv on this machine. Leave it empty to get one automatically. original: "
            "from the public source, over the internet. stand-in: generated without the internet and without real "
            "people.",
            "FILE",
            "your own copy of the lab's data file",
            _problem_with_data_file,
            _data_file,
            required=False,
            is_path=True,
        ),
        Input(
            "commit_message",
            "Commit message",
            "What the commit adds, in one line; everybody reads it in the history.",
            "TEXT",
            "message of your commit",
            _problem_with_message,
            str.strip,
            required=False,
            default="Add a test of the model",
        ),
        Input(
            "pull_request_title",
            "Title of the pull request",
            "What your branch changes, in one line. Leave it empty for one with your alias.",
            "TEXT",
            "title of your pull request",
            lambda text: "" if text else "It is empty. For example: Worst regression of robin",
            str.strip,
            required=False,
        ),
        Input(
            "pull_request_description",
            "Description",
            "What you changed, why, and how you tested it, in one line. Leave it empty to list your commits.",
            "TEXT",
            "description of your pull request",
            _described_as("Adds a test of the scaler; all tests passed in the container.", "Its page"),
            str.strip,
            required=False,
        ),
        Input(
            "reviewers",
            "Reviewers",
            "The e-mail addresses of those who review your change, such as your neighbor, separated by commas. Leave "
            "it empty to ask nobody; anybody in the project can review it.",
            "ADDRESSES",
            "e-mail addresses of those who review it, separated by commas",
            _problem_with_addresses_in_a_line,
            _addresses,
            required=False,
            listed=True,
            others=True,
        ),
        Input(
            "approvers",
            "Approvers",
            "The e-mail addresses of those who decide about Production, separated by commas; one of them has to "
            "approve. Leave it empty to decide yourself.",
            "ADDRESSES",
            "e-mail addresses of those who decide about Production, separated by commas (default: you)",
            _problem_with_addresses_in_a_line,
            _addresses,
            required=False,
            listed=True,
            others=True,
        ),
        Input(
            "requester_may_approve",
            "Approval of one's own run",
            "yes: an approver may also approve a release that they have started. no: another approver has to, as some "
            "organizations require.",
            "YES_OR_NO",
            "whether an approver may approve a release that they have started: yes (default) or no",
            _one_of("yes", "no"),
            _word,
            required=False,
            default="yes",
            options=(("yes", "Yes: allowed"), ("no", "No: another person decides")),
        ),
        Input(
            "approval_comment",
            "Comment",
            "Why you approve or reject the release, in one line; everybody reads it on the run's page.",
            "TEXT",
            "why you approve or reject a release",
            _described_as("All tests passed, and QA answers.", "The run's page"),
            str.strip,
            required=False,
        ),
        Input(
            "build_identity",
            "Identity of the build",
            "managed-identity: a resource in Azure, for which you need no right in the directory (tenant). "
            "app-registration: an application in the directory, for an organization that wants it there.",
            "KIND",
            "what the build signs in as: managed-identity (default) or app-registration",
            _one_of(MANAGED_IDENTITY, APP_REGISTRATION),
            _word,
            required=False,
            default=MANAGED_IDENTITY,
            options=(
                (MANAGED_IDENTITY, "A managed identity, in Azure"),
                (APP_REGISTRATION, "An app registration, in the directory"),
            ),
        ),
        Input(
            "token_in_profile",
            "Access token in .databrickscfg",
            "no: the profiles sign in through the Azure CLI, and the file contains no secret. yes: a personal access "
            "token is there in plain text, for programs that know nothing else.",
            "YES_OR_NO",
            "whether .databrickscfg contains a token in plain text: no (default) or yes",
            _one_of("no", "yes"),
            _word,
            required=False,
            default="no",
            options=(("no", "No: sign in through the Azure CLI"), ("yes", "Yes: a token, in plain text")),
        ),
    )
}
"""Every input, by name."""
