"""The task AzureCLI, @1 and @2, with scripts for bash and PowerShell Core.

azure-pipelines-tasks, AzureCLIV2/azureclitask.ts, src/Utility.ts and src/ScriptType.ts: `az --version`, an own
configuration folder, the cloud, the sign-in, the subscription, the script, the sign-out. The script runs in the
sources folder, also if it is a file: the task compares a lowercase word with `scriptPath`, so that its other rule never
applies. The secret of the sign-in reaches `az` by its standard input (`@-`, its convention for any argument), so that
it is in no command line.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines.agent import environment, shells
from hol_wizard.practice.pipelines.agent.context import StepContext, TaskError
from hol_wizard.practice.pipelines.agent.tasks import scripts
from hol_wizard.practice.pipelines.host import Connection

NO_AZ = "Azure CLI 2.x is not installed on this machine."
_NO_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
_CARRIER = "PRACTICE_SIGN_IN"
_FEED = f'secret=${_CARRIER}; unset {_CARRIER}; printf %s "$secret" | "$@"'
"""Gives a secret to a program's standard input; `printf` is a builtin of bash, so it is in no command line."""
_REFUSED = {
    "useGlobalConfig": "The practice agent does not use the person's own configuration of the Azure CLI.",
    "keepAzSessionActive": "The practice agent does not renew the sign-in of a running script.",
}


async def run(context: StepContext) -> Result:
    """Run the task."""
    for name, why in _REFUSED.items():
        if context.flag(name):
            raise TaskError(f"The input {name} is not supported. {why}")
    location = context.input("scriptLocation", required=True).lower()
    if location not in {"inlinescript", "scriptpath"}:
        raise TaskError(
            f"{context.input('scriptLocation')} is not a valid value for task input 'Script Location' (scriptLocation"
            " in YAML). Value can either be'inlineScript' or 'scriptPath'"
        )
    kind = context.input("scriptType").lower() or "bash"
    if kind not in {"bash", "pscore"}:
        raise TaskError(f"The practice agent runs scripts of the types 'bash' and 'pscore', not of the type '{kind}'.")
    folder = context.path("cwd")
    folder.mkdir(parents=True, exist_ok=True)
    az = environment.program("az", context.environment())
    if az is None:
        raise TaskError(NO_AZ)
    bash = await context.bash()
    script, own = _script(context, location, ".sh" if kind == "bash" else ".ps1")
    try:
        session = _Session(context, az, bash, folder)
        if kind == "bash":
            return await session.run([bash, shells.path_for_bash(script, sys.platform == "win32")])
        return await session.run(scripts.powershell(context, script))
    finally:
        if own:
            script.unlink(missing_ok=True)


def _script(context: StepContext, location: str, suffix: str) -> tuple[Path, bool]:
    """Return the script, and whether it was written for this step."""
    if location == "inlinescript":
        text = context.input("inlineScript", required=True)
        return shells.write_script(context.job.workspace.temporary, text, suffix), True
    path = context.path("scriptPath", required=True)
    if not path.is_file() or path.suffix.lower() != suffix:
        raise TaskError(
            f"Script file could not be found at specified script location: '{path}'. Please verify the script exists at"
            " the specified path. If you want to use inline script, specify input `Script Location` as `inlineScript`."
        )
    return path, False


class _Session:
    """One session of the Azure CLI, with a configuration folder of its own."""

    def __init__(self, context: StepContext, az: str, bash: str, folder: Path) -> None:
        self._context = context
        self._az = az
        self._bash = bash
        self._folder = folder
        self._variables = context.environment()

    async def run(self, words: Sequence[str]) -> Result:
        """Sign in, run a script, sign out."""
        context, log = self._context, self._context.log
        await self._call("--version")
        own = tempfile.mkdtemp(prefix=".azclitask-", dir=context.job.workspace.temporary)
        try:
            log.write(f"Setting AZURE_CONFIG_DIR env variable to: {own}")
            self._variables["AZURE_CONFIG_DIR"] = own
            connection = await context.job.host.connection(
                context.job.key, context.input("connectedServiceNameARM", required=True)
            )
            signed_in = False
            try:
                log.write(f"Setting active cloud to: {connection.cloud}")
                await self._call("cloud", "set", "-n", connection.cloud)
                await self._sign_in(connection)
                signed_in = True
                await self._choose(connection)
                return await self._script(words, connection)
            finally:
                if signed_in:
                    await self._sign_out()
        finally:
            shutil.rmtree(own, ignore_errors=True)

    async def _sign_in(self, connection: Connection) -> None:
        context = self._context
        secret = connection.federated_token or connection.secret
        context.job.masker.add(secret)
        option = "--federated-token" if connection.federated_token else "--password"
        words = ["login", "--service-principal", "-u", connection.client, "--tenant", connection.tenant]
        words += ["--allow-no-subscriptions", option, "@-"]
        if context.input("visibleAzLogin").lower() == "false":
            words += ["--output", "none"]
        context.log.command(f"az {' '.join(words[:-1])} ***")
        around = [self._bash, "--noprofile", "--norc", "-c", _FEED, "bash", self._az, *words]
        await self._checked(around, "Azure login failed", {**self._variables, _CARRIER: secret})

    async def _choose(self, connection: Connection) -> None:
        if self._context.flag("allowNoSubscriptions") or connection.subscription == _NO_SUBSCRIPTION:
            self._context.log.write(
                "Skipping subscription context per 'allowNoSubscriptions' input or empty GUID value"
            )
        elif connection.subscription:
            words = ["account", "set", "--subscription", connection.subscription]
            await self._call(*words, failure="Error in setting up subscription")

    async def _sign_out(self) -> None:
        """Sign out; the folder with the sign-in is removed in any case."""
        context = self._context
        with contextlib.suppress(TaskError):
            context.log.command("az account clear")
            await context.run([self._az, "account", "clear"], folder=self._folder, variables=self._variables)

    async def _call(self, *words: str, failure: str = "") -> None:
        self._context.log.command(f"az {' '.join(words)}")
        await self._checked([self._az, *words], failure, self._variables)

    async def _checked(self, command: Sequence[str], failure: str, variables: dict[str, str]) -> None:
        """Run a command of the Azure CLI.

        Raises:
            TaskError: It failed.
        """
        context = self._context
        errors: list[str] = []
        code = await context.run(command, folder=self._folder, variables=variables, error_line=errors.append)
        if code != 0:
            context.log.error(f"Error Code: [{code}]")
            if failure:
                context.log.error(f"Error: {failure}")
            raise TaskError(f"Script failed with error: {' '.join(errors) or f'exit code {code}'}")

    async def _script(self, words: Sequence[str], connection: Connection) -> Result:
        context = self._context
        errors: list[str] = []
        variables = dict(self._variables)
        if context.flag("addSpnToEnvironment"):
            variables |= {"servicePrincipalId": connection.client, "tenantId": connection.tenant}
            if connection.federated_token:
                variables["idToken"] = connection.federated_token
            else:
                variables["servicePrincipalKey"] = connection.secret
        command = [*words, *shells.arguments(context.input("scriptArguments") or context.input("args"))]
        context.log.command(" ".join(command))
        fail_on_error = context.flag("failOnStandardError")
        code = await context.run(
            command,
            folder=self._folder,
            variables=variables,
            error_line=errors.append if fail_on_error else None,
        )
        if errors:
            context.log.error("\n".join(errors[:10]))
            context.log.error("Script has output to stderr. Failing as failOnStdErr is set to true.")
            return Result.FAILED
        if code != 0:
            context.log.error(f"Script failed with exit code: {code}")
            return Result.FAILED
        return Result.SUCCEEDED
