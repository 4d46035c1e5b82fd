"""What logging commands do.

The azure-pipelines-agent, TaskCommandExtension.cs, BuildCommandExtension.cs, ArtifactCommandExtension.cs and their
messages (strings.json). A command that fails, or is unknown in a known area, adds two errors and fails the step, while
the program goes on; one in an unknown area adds a warning.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines.agent import commands, results
from hol_wizard.practice.pipelines.agent.commands import Command, CommandError
from hol_wizard.practice.pipelines.agent.context import StepContext
from hol_wizard.practice.pipelines.agent.variables import ReadOnlyError
from hol_wizard.practice.pipelines.host import Artifact, HostError, Value

ATTACHED_FILE = "DistributedTask.Core.FileAttachment"
SUMMARY = "DistributedTask.Core.Summary"
_INVALID_IN_NUMBER = re.compile(r'["/:<>\\|?@*]|\.$')
_MOST_NUMBER = 255
_INVALID_IN_ARTIFACT = re.compile(r'[\\/:"<>|*?\r\n]')


def artifact_name(name: str) -> str:
    """Return the name of an artifact.

    Raises:
        CommandError: It is invalid.
    """
    if not name:
        raise CommandError("Artifact Name is required.")
    if _INVALID_IN_ARTIFACT.search(name):
        raise CommandError(
            f"Artifact name is not valid: {name}. It cannot contain '\\', /', \"', ':', '<', '>', '|', '*', and '?'"
        )
    return name


@dataclass(slots=True)
class CommandEffects:
    """Carries out the logging commands of a job's steps."""

    pending: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """Uploads that are made when the program has ended."""

    def handle(self, context: StepContext, line: str) -> bool:
        """Carry out the command in a line, and return whether there was one."""
        if commands.KEYWORD not in line:
            return False
        command = commands.parse(line)
        if command is None:
            context.log.warning(
                f"'{line}' contains logging command keyword '##vso', but it's not a legal command. Please see the list"
                " of accepted commands: https://go.microsoft.com/fwlink/?LinkId=817296"
            )
            return False
        known = _AREAS.get(command.area)
        if known is None:
            context.log.warning(f"Cannot find command extension for ##vso[{command.area}.command]. {commands.HELP}")
            return True
        try:
            effect = known.get(command.action)
            if effect is None:
                raise CommandError(
                    f"##vso[{command.area}.{command.action}] is not a recognized command for {command.area} command"
                    f" extension. {commands.HELP}."
                )
            effect(self, context, command)
        except (CommandError, ReadOnlyError) as error:
            _hide_first(context, command)
            context.log.error(f"Unable to process command '{line}' successfully. {commands.HELP}")
            context.log.error(str(error))
            context.merge(Result.FAILED)
        if (command.area, command.action) != ("task", "debug"):
            context.log.debug(f"Processed: {line}")
        return True

    async def finish(self, context: StepContext) -> None:
        """Make the uploads that commands have asked for."""
        uploads, self.pending = self.pending, []
        for upload in uploads:
            try:
                await upload()
            except HostError as error:
                context.log.error(str(error))
                context.merge(Result.FAILED)

    # task

    def set_variable(self, context: StepContext, command: Command) -> None:
        """`task.setvariable`."""
        name = command.get("variable")
        if not name:
            raise CommandError("Required field 'variable' is missing in ##vso[task.setvariable] command.")
        secret = command.flag("issecret")
        variables = context.job.variables
        if (
            secret
            and re.search(r"[\r\n]", command.text.strip("\r\n"))
            and not variables.flag("SYSTEM_UNSAFEALLOWMULTILINESECRET")
        ):
            raise CommandError("Secrets cannot contain multiple lines")
        if command.flag("isoutput"):
            if not context.name:
                context.log.debug(f"The step has no name, so that no other job can read '{name}'.")
            full = f"{context.name}.{name}" if context.name else name
            warning = variables.change(full, command.text, secret=secret, read_only=True)
            if context.name:
                context.job.outputs[full] = Value(command.text, secret or variables.is_secret(full))
        else:
            warning = variables.change(
                name,
                command.text,
                secret=secret,
                read_only=command.flag("isreadonly"),
                preserve_case=command.flag("preservecase"),
            )
        if warning:
            context.log.warning(warning)

    def set_secret(self, context: StepContext, command: Command) -> None:
        """`task.setsecret`."""
        context.job.masker.add(command.text)

    def log_issue(self, context: StepContext, command: Command) -> None:
        """`task.logissue`."""
        kind = command.get("type").lower()
        if not kind:
            context.log.warning("Can't create TaskIssue from logging event.")
            return
        if kind not in {"error", "warning"}:
            raise CommandError(f"issue type {command.get('type')} is not an expected issue type.")
        details = {key: value for key, value in command.properties.items() if key != "type"}
        if source := details.get("sourcepath"):
            sources = context.job.workspace.sources
            file = Path(source)
            if file.is_relative_to(sources):
                details["sourcepath"] = file.relative_to(sources).as_posix()
        if kind == "error":
            context.log.error(command.text, **details)
        else:
            context.log.warning(command.text, **details)

    def complete(self, context: StepContext, command: Command) -> None:
        """`task.complete`."""
        result = results.named(command.get("result"))
        if result is None:
            raise CommandError("Command doesn't have valid result value.")
        context.merge(result)
        if command.flag("done"):
            context.done.set()
        if command.text:
            context.kernel.change(currentOperation=context.job.masker.mask(command.text))

    def set_progress(self, context: StepContext, command: Command) -> None:
        """`task.setprogress`."""
        details: dict[str, object] = {}
        if command.get("value").strip().isdecimal():
            details["percentComplete"] = min(100, int(command.get("value")))
        if command.text:
            details["currentOperation"] = context.job.masker.mask(command.text)
        context.kernel.change(**details)

    def prepend_path(self, context: StepContext, command: Command) -> None:
        """`task.prependpath`."""
        if not command.text:
            raise CommandError("The path is missing in ##vso[task.prependpath] command.")
        prepended = context.job.prepended
        prepended[:] = [command.text, *(each for each in prepended if each != command.text)]

    def debug(self, context: StepContext, command: Command) -> None:
        """`task.debug`."""
        context.log.debug(command.text)

    def upload_summary(self, context: StepContext, command: Command) -> None:
        """`task.uploadsummary`."""
        if not command.text:
            raise CommandError("Cannot upload summary file, summary file location is not specified.")
        self._attach(context, SUMMARY, Path(command.text).name, command.text)

    def upload_file(self, context: StepContext, command: Command) -> None:
        """`task.uploadfile`."""
        if not command.text:
            raise CommandError("Cannot upload file because file location is not specified.")
        self._attach(context, ATTACHED_FILE, Path(command.text).name, command.text)

    def add_attachment(self, context: StepContext, command: Command) -> None:
        """`task.addattachment`."""
        if not command.get("type"):
            raise CommandError("Can't add task attachment, attachment type is not provided.")
        if not command.get("name"):
            raise CommandError("Can't add task attachment, attachment name is not provided.")
        self._attach(context, command.get("type"), command.get("name"), command.text)

    def _attach(self, context: StepContext, kind: str, name: str, file: str) -> None:
        path = context.job.workspace.sources / file.strip()
        if not file.strip() or not path.is_file():
            raise CommandError(
                "Cannot upload task attachment file, attachment file location is not specified or attachment file does"
                " not exist on disk."
            )
        job, record = context.job, context.kernel.record
        name = job.masker.mask(name)
        self.pending.append(lambda: job.host.attach(job.key, record, kind, name, path))

    def without_effect(self, context: StepContext, command: Command) -> None:
        """`task.setendpoint` and `task.logdetail`: accepted; the log says once that they have no effect."""
        said = f"##vso[{command.area}.{command.action}] is accepted by the practice agent and has no effect."
        if said not in context.job.noted:
            context.job.noted.add(said)
            context.log.write(said)

    # build and artifact

    def update_number(self, context: StepContext, command: Command) -> None:
        """`build.updatebuildnumber`."""
        number = context.job.masker.mask(command.text)
        if not number:
            raise CommandError("Build number is required.")
        if len(number) > _MOST_NUMBER or _INVALID_IN_NUMBER.search(number):
            raise CommandError(
                f"The build number format {number} contains invalid character(s), is too long, or ends with '.'. The"
                " maximum length of a build number is 255 characters. Characters which are not allowed include '\"',"
                " '/', ':', '<', '>', '\\', '|', '?', '@', and '*'."
            )
        context.job.surroundings.rename(number)
        context.job.variables.set("Build.BuildNumber", number)
        context.log.write(f"Update build number to {number} for build {context.job.key.run}")

    def add_tag(self, context: StepContext, command: Command) -> None:
        """`build.addbuildtag`."""
        tag = context.job.masker.mask(command.text.strip())
        if not tag:
            raise CommandError("Build tag is required.")
        if ":" in tag:
            raise CommandError(f"Build tag '{tag}' was not added successfully.")
        context.job.surroundings.tag(tag)

    def upload_log(self, context: StepContext, command: Command) -> None:
        """`build.uploadlog`."""
        path = context.job.workspace.sources / command.text.strip()
        if not command.text.strip() or not path.is_file():
            raise CommandError(f"Log file path is not provided or file doesn't exist: '{command.text}'")
        self._attach(context, ATTACHED_FILE, path.name, command.text)

    def upload_artifact(self, context: StepContext, command: Command) -> None:
        """`artifact.upload`."""
        name = artifact_name(command.get("artifactname"))
        path = context.job.workspace.sources / command.text.strip()
        if not command.text.strip() or not path.exists():
            raise CommandError(f"Path does not exist: {command.text}")
        job = context.job
        artifact = Artifact(job.masker.mask(name), "Container", path)
        self.pending.append(lambda: job.host.publish_artifact(job.key, artifact, job.assignment.record))

    def refuse(self, context: StepContext, command: Command) -> None:
        """Commands that the practice agent does not carry out."""
        raise CommandError(f"The practice agent does not know ##vso[{command.area}.{command.action}].")


def _hide_first(context: StepContext, command: Command) -> None:
    """Mask the value of a secret that was refused: the line with it is quoted in the error."""
    if command.action in {"setvariable", "setsecret"} and (command.action == "setsecret" or command.flag("issecret")):
        context.job.masker.add(command.text)


_Effect = Callable[[CommandEffects, StepContext, Command], None]
_AREAS: dict[str, dict[str, _Effect]] = {
    "task": {
        "setvariable": CommandEffects.set_variable,
        "setsecret": CommandEffects.set_secret,
        "logissue": CommandEffects.log_issue,
        "issue": CommandEffects.log_issue,
        "complete": CommandEffects.complete,
        "setprogress": CommandEffects.set_progress,
        "prependpath": CommandEffects.prepend_path,
        "debug": CommandEffects.debug,
        "uploadsummary": CommandEffects.upload_summary,
        "uploadfile": CommandEffects.upload_file,
        "addattachment": CommandEffects.add_attachment,
        "setendpoint": CommandEffects.without_effect,
        "logdetail": CommandEffects.without_effect,
    },
    "artifact": {"upload": CommandEffects.upload_artifact, "associate": CommandEffects.refuse},
    "build": {
        "updatebuildnumber": CommandEffects.update_number,
        "addbuildtag": CommandEffects.add_tag,
        "uploadlog": CommandEffects.upload_log,
    },
    "release": {},
}
