"""What a command that a document declares does, and its declared check."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import CHECKS
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import InconclusiveError, ServiceError, UsageError
from hol_wizard.lab.declared import Declared
from hol_wizard.lab.text import fill
from hol_wizard.redaction import scrub
from hol_wizard.resources.context import StepContext
from hol_wizard.services.programs import Answer

_SHOWN: Final = 300
"""Maximum number of characters of an output in a result."""
_DETAIL: Final = 4000
"""Maximum number of characters of an output in the detail of a result."""


def looked(context: StepContext, declared: Declared) -> Result:
    """Return the result of a declared check.

    Raises:
        WizardError: It could not be determined.
    """
    if declared.command:
        return _command(context, declared)
    return _file(context, declared) if declared.file else _address(context, declared)


def _next(context: StepContext) -> str:
    solvable = "solve" in context.declared
    return "Do it by hand as described, or <solve>." if solvable else "Do it as described, then check again."


def _folder(context: StepContext) -> Path:
    """Return where commands work: in the clone if there is one, otherwise in the home folder."""
    clone = Path(context.names.clone_folder)
    return clone if clone.is_dir() else Path(context.names.home_folder)


def _short(text: str) -> str:
    """Return the last lines of an output on one line, without secrets."""
    line = " ⏎ ".join(line.strip() for line in scrub(text).strip().splitlines()[-3:] if line.strip())
    return line if len(line) <= _SHOWN else f"…{line[-_SHOWN:]}"


def _ran(context: StepContext, declared: Declared) -> tuple[str, Answer]:
    """Run a command, and return it for messages, and its result.

    Raises:
        InconclusiveError: It did not end in time, or printed too much.
        ServiceError: It cannot be started.
    """
    words = declared.words(context.names.values(context.environment))
    shown = f"`{shlex.join(words)}`"
    answer = context.services.probing.run(words, declared.seconds, _folder(context))
    if answer.late:
        said = "printed too much" if answer.much else f"did not end within {declared.seconds} seconds"
        raise InconclusiveError(f"{shown} {said}, and was ended.", "Run it yourself to see why.", detail=answer.err)
    return shown, answer


def _command(context: StepContext, declared: Declared) -> Result:
    shown, answer = _ran(context, declared)
    program = declared.command[0]
    if answer.code is None:
        return Result(
            Status.FAILED,
            f"{program} cannot be started: {_short(answer.err) or 'it is not installed, or not on the PATH'}.",
            (Expectation(program, "on the PATH", "not found", met=False),),
            _next(context),
        )
    printed = "\n".join(filter(None, (answer.out.rstrip(), answer.err.rstrip())))
    seen = [Expectation("Exit code", "0", str(answer.code), met=answer.code == 0)]
    if declared.expect:
        values = {name: re.escape(each) for name, each in context.names.values(context.environment).items()}
        pattern = fill(declared.expect, values)
        met = re.search(pattern, printed, re.MULTILINE) is not None
        seen.append(Expectation("Output", f"a match of {pattern}", _short(printed) or "nothing", met=met))
    return judge(
        seen,
        passed=f"{shown} printed what is expected: {_short(printed)}" if declared.expect else f"{shown} succeeded.",
        failed=f"{shown} did not succeed." if answer.code else f"{shown} did not print what is expected.",
        next_action=_next(context),
        detail=printed[-_DETAIL:],
    )


def file_of(declared: Declared, values: dict[str, str]) -> tuple[Path, Path]:
    """Return the file that a declared check reads, and the folder that it must be in."""
    place, _, rest = declared.file.partition("/")
    folder = Path(fill(place, values))
    return folder.joinpath(*(_plain_name(fill(part, values)) for part in rest.split("/"))), folder


def _plain_name(name: str) -> str:
    if name in {"", ".", ".."} or set(name) & set('/\\:*?"<>|'):
        raise UsageError(f"`{name}` cannot be the name of a file.", "Choose another value for the placeholder in it.")
    return name


def _file(context: StepContext, declared: Declared) -> Result:
    values = dict(context.names.values(context.environment))
    path, place = file_of(declared, values)
    text = context.services.probing.read(path, place)
    seen = [Expectation(path.name, "a file", "not there" if text is None else "there", met=text is not None)]
    if declared.contains and text is not None:
        wanted = fill(declared.contains, values)
        met = wanted in text
        seen.append(Expectation("Text", f"contains {wanted}", "found" if met else "not in the file", met=met))
    return judge(
        seen,
        passed=f"{path} {'contains what is expected' if declared.contains else 'exists'}.",
        failed=f"{path} does not exist." if text is None else f"{path} does not contain what is expected.",
        next_action=_next(context),
    )


def _address(context: StepContext, declared: Declared) -> Result:
    values = context.names.values(context.environment)
    url = fill(declared.http, {name: quote(each, safe="") for name, each in values.items()})
    if urlsplit(url).scheme != urlsplit(declared.http).scheme or not urlsplit(url).hostname:
        raise UsageError(f"{url} is not an address.", "Choose another value for the placeholder in it.")
    page = context.services.probing.get(url)
    seen = [Expectation("Status", str(declared.status), str(page.status), met=page.status == declared.status)]
    if declared.contains:
        wanted = fill(declared.contains, values)
        met = wanted in page.text
        seen.append(Expectation("Text", f"contains {wanted}", "found" if met else "not in the response", met=met))
    return judge(
        seen,
        passed=f"{url} answers {page.status}.",
        failed=f"{url} answers {page.status}." if page.status != declared.status else f"{url} answers something else.",
        next_action=_next(context),
        detail=page.text[:_DETAIL],
    )


@dataclass(frozen=True)
class DeclaredWork(Resource[Result]):
    """What the command of a step has done, as far as the step's check finds it."""

    context: StepContext
    kind = "Step"
    where = "on this machine"
    unmarked = "a command leaves no mark: it is undone if the ledger says that it ran here and the check had failed"

    @property
    def name(self) -> str:  # type: ignore[override] # a step has one name, and the class has none
        """Return the key of the step."""
        return self.context.target

    @property
    def id(self) -> str:
        """Return its ID in the ledger."""
        return f"this-machine/step/{self.context.target}"

    @property
    def cost(self) -> str:
        """Return nothing: the document says what the step costs."""
        return ""

    def _shown(self, key: str) -> str:
        words = self.context.declared[key].words(self.context.names.values(self.context.environment))
        return f"runs: {shlex.join(words)}"

    @property
    def note(self) -> str:
        """Return the command."""
        return self._shown("solve")

    def contents(self, found: Result) -> str:
        """Return the command that undoes it."""
        del found
        return self._shown("undo")

    def find(self, reads: ReadCache) -> Result | None:
        """Return the result of the check if it passes."""
        del reads
        result = CHECKS[self.context.check].run(self.context)
        if result.status in {Status.WAITING, Status.UNKNOWN}:
            raise InconclusiveError(result.summary, result.next_action, detail=result.detail)
        return result if result.passed else None

    def marked(self, found: Result, noted: str | None) -> bool:
        """Return whether the ledger says that the command has done it."""
        del found
        return noted is not None

    def create(self, begun: Callable[[str], None]) -> str:
        """Run the command."""
        del begun
        self._run("solve")
        return ""

    def delete(self, found: Result) -> None:
        """Run the command that undoes it."""
        del found
        self._run("undo")

    def _run(self, key: str) -> None:
        shown, answer = _ran(self.context, self.context.declared[key])
        if answer.code is None:
            raise ServiceError(f"{shown} cannot be started: it is not installed, or not on the PATH.", "Install it.")
        printed = "\n".join(filter(None, (answer.out, answer.err)))
        for line in scrub(printed).splitlines()[-20:]:
            self.context.reporter.say(line)
        if answer.code:
            raise ServiceError(
                f"{shown} failed with exit code {answer.code}: {_short(printed) or 'it printed nothing'}",
                "Do the step by hand as described.",
                detail=printed[-_DETAIL:],
            )

    def expectations(self, found: Result) -> Sequence[Expectation]:
        """Return nothing: only what fits is found."""
        del found
        return ()
