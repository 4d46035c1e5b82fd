"""Guides a person through the lab: its sections, its steps, and what can be done with them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TextIO

from hol_wizard import own_shell
from hol_wizard.background import in_background
from hol_wizard.engine.events import RunFinished
from hol_wizard.engine.results import Status
from hol_wizard.errors import WizardError
from hol_wizard.lab.model import Section, Target, targets_of
from hol_wizard.lines import one_line
from hol_wizard.plain.conversing import Conversing
from hol_wizard.plain.runs import Runs
from hol_wizard.plain.talk import CONTINUE, BackError, EndError, LeaveError, Talk
from hol_wizard.report import (
    INTERRUPTED,
    result_lines,
)

if TYPE_CHECKING:
    from hol_wizard.doctor.cost import Cost
    from hol_wizard.wizard.confirming import Confirmed
    from hol_wizard.wizard.facade import Wizard


class Guide:
    """Guides a person through the lab."""

    def __init__(self, wizard: Wizard, talk: Talk) -> None:
        self.wizard = wizard
        self.talk = talk
        self.runs = Runs(wizard, talk)
        self.conversing = Conversing(self.runs)
        self.hints: dict[str, int] = {}

    # Start and end

    def through(self, resume: Section | None, catch_up: bool) -> int:
        """Run until the person leaves, and return the exit code."""
        try:
            self.begin(resume, catch_up)
            return self.overview()
        except LeaveError:
            return 0

    def begin(self, resume: Section | None, catch_up: bool) -> None:
        """Greet the person, check their progress, and open the section to continue with."""
        talk = self.talk
        talk.say("hol-wizard, plain: lines and numbered choices.", "bold")
        talk.say(one_line(f"{self.wizard.lab.title}: {self.wizard.lab.introduction}"))
        talk.say(self.wizard.where())
        talk.say("Type the number of a choice and press Enter. ? lists the choices, q quits, Ctrl-C goes back.")
        if resume is None:
            self._back(lambda: self.runs.look(None, "the whole lab"))
            self._tell_regressions()
            return
        before = self.wizard.prerequisites(resume)
        if before:
            self._back(lambda: self.runs.look(before, f"what section {resume.number}, {resume.title}, needs"))
        missing = [target for target in before if not self.runs.done(target)]
        if missing:
            talk.say(f"This section needs {len(before)} steps of earlier ones; {len(missing)} of them are not done:")
            for target in missing:
                talk.say(f"- {self.runs.title(target)}: {self.runs.standing(target)} ({target.key})")
        elif before:
            talk.say("Everything that this section needs is done.")
        self._tell_regressions()
        doable = [target for target in missing if target.step.solve]
        if catch_up and doable:
            self._back(lambda: self.conversing.do(doable))
        self.section(resume)

    def _tell_regressions(self) -> None:
        fallen = self.wizard.regressions(self.runs.results)
        if fallen:
            self.talk.say("These steps passed in an earlier run, but no longer do:", "bold")
        for key in fallen:
            self.talk.say(
                f"- {self.runs.title(self.wizard.target(key))} ({key}): {one_line(self.runs.results[key].summary)}"
            )

    # Places

    def overview(self) -> int:
        """List the sections, do what is chosen until the person leaves, and return the exit code."""
        sections = self.wizard.lab.sections
        again = True
        while True:
            if again:
                self.talk.heading("All sections")
            following = self._following()
            chosen = self.talk.choose(
                "Sections, and other choices:",
                [
                    *(self.runs.section_line(section) for section in sections),
                    "Check everything again",
                    "Doctor: check the wizard's prerequisites",
                    "What is running now, and what it costs",
                    "Remove everything that this wizard created",
                    "What you have done: verified, confirmed, what still costs; writes a report",
                ],
                "Leave",
                listed=again,
                enter=self._continuing(following) if following else "",
            )
            again = chosen <= len(sections)
            if chosen == 0:
                return 0
            if chosen == CONTINUE and following is not None:
                self._back(partial(self._continue, following))
            elif again:
                self._back(partial(self.section, sections[chosen - 1]))
            elif chosen == len(sections) + 1:
                self._back(lambda: self.runs.look(None, "the whole lab"))
                self._tell_regressions()
            elif chosen == len(sections) + 2:
                self._back(self.doctor)
            elif chosen == len(sections) + 3:
                self._back(self.cost)
            elif chosen == len(sections) + 4:
                self._back(lambda: self.conversing.undo(None))
            else:
                self._back(self.ending)

    def _following(self) -> Target | None:
        """Return the first step in the lab's order that can be done and is not."""
        able = (target for target in self.wizard.targets() if target.step.check or target.step.confirm)
        missing = [target for target in able if not self.runs.done(target)]
        doable = (target for target in missing if not self.runs.is_blocked(target))
        return next(doable, next(iter(missing), None))

    def _continuing(self, target: Target) -> str:
        """Return what Enter does: `continue with “Sign in” (section 1)`."""
        number = self.wizard.lab.section(target.step.section).number
        return f"continue with “{self.runs.title(target)}” (section {number})"

    def _continue(self, target: Target) -> None:
        """Show a step, then those that follow it in its section."""
        section = self.wizard.lab.section(target.step.section)
        targets = [each for step in section.steps for each in targets_of(step)]
        self.steps(targets, targets.index(target))

    def section(self, section: Section) -> None:
        """Show a section and its steps, and do what is chosen."""
        following: Section | None = section
        while following is not None:
            following = self._section(following)

    def _section(self, section: Section) -> Section | None:
        """Return the section to continue with; None to return to the overview."""
        talk, wizard = self.talk, self.wizard
        targets = [target for step in section.steps for target in targets_of(step)]
        later = [other for other in wizard.lab.sections if other.number == section.number + 1]
        talk.heading(f"Section {section.number}: {section.title} ({section.role}, about {section.minutes} minutes)")
        talk.document(wizard.text(section.intro))
        talk.add("")
        again = True
        while True:
            more = ["Check this section", "Do this section for me"]
            more += [f"Next section: {other.title}" for other in later]
            chosen = talk.choose(
                "Steps, and other choices:",
                [*(f"{self.runs.title(target)}: {self.runs.standing(target)}" for target in targets), *more],
                "Back to all sections",
                listed=again,
            )
            again = chosen <= len(targets)
            if chosen == 0:
                return None
            if again:
                self._back(partial(self.steps, targets, chosen - 1))
            elif chosen == len(targets) + 1:
                self._back(lambda: self.runs.look(targets, section.title, show=True))
            elif chosen == len(targets) + 2:
                self._back(lambda: self.conversing.do(targets))
            else:
                return later[0]

    def steps(self, targets: Sequence[Target], index: int) -> None:
        """Show a step, and do what is chosen, until the person goes back; the steps follow each other."""
        while index < len(targets):
            if not self._step(targets[index], targets[index + 1] if index + 1 < len(targets) else None):
                return
            index += 1

    def _step(self, target: Target, following: Target | None) -> bool:
        """Return whether to continue with the next step."""
        talk, wizard, step = self.talk, self.wizard, target.step
        self._read(target)
        again, listed = True, list[str]()
        while True:
            shown = self.hints.get(target.key, 0)
            choices: list[tuple[str, Callable[[], None]]] = []
            if not step.confirm:
                choices.append(("Check it", lambda: self.runs.look([target], show=True)))
            elif self.runs.confirmed(target):
                choices.append(("Withdraw the confirmation", lambda: self._withdraw(target)))
            else:
                choices.append(("Confirm it", lambda: self._confirm(target)))
            if shown < len(step.hints):
                choices.append((f"Hint {shown + 1} of {len(step.hints)}", lambda: self._hint(target)))
            if step.solve:
                choices.append(("Do it for me", lambda: self.conversing.do([target])))
            for action in wizard.actions(target):
                choices.append((action.label, partial(self.conversing.act, [target], action.name)))
            if step.undo:
                choices.append(("Undo it", lambda: self.conversing.undo([target])))
            if step.portal:
                choices.append(("Address in the portal", lambda: self._portal(target)))
            if talk.is_on_terminal:
                choices.append(("Open a shell on this cloud", lambda: self._shell(target)))
            choices.append(("Show it again", lambda: self._read(target)))
            titles = [title for title, _ in choices]
            again = again or titles != listed
            listed = titles
            if following is not None:
                titles.append(f"Next step: {self.runs.title(following)}")
            chosen = talk.choose("What now?", titles, "Back to the section", listed=again)
            again = False
            if chosen == 0:
                return False
            if chosen > len(choices):
                return True
            self._back(choices[chosen - 1][1])

    # What can be done at a step

    def _read(self, target: Target) -> None:
        talk, step, wizard = self.talk, target.step, self.wizard
        talk.heading(f"Step: {self.runs.title(target)}")
        about = [f"about {step.minutes:g} min"] if step.minutes else []
        if step.cost:
            about.append(f"cost: {step.cost}")
        if about:
            talk.say("; ".join(about))
        talk.document(wizard.text(step.body, target.environment))
        talk.add("")
        if step.human:
            lead = "Your part" if step.solve else "Only you can do this"
            talk.say(f"{lead}: {wizard.text(step.human, target.environment)}")
        if step.confirm:
            talk.say(f"Only you can judge this. Confirm it when you can say: “{wizard.confirming.statement(target)}”")
        self.runs.show_result(target)

    def _hint(self, target: Target) -> None:
        number = self.hints.get(target.key, 0)
        self.hints[target.key] = number + 1
        self.talk.document(f"Hint {number + 1}: {self.wizard.text(target.step.hints[number], target.environment)}")

    def _confirm(self, target: Target) -> None:
        """Ask the person to confirm the step."""
        if self.conversing.confirmed(target, self.wizard.confirming.statement(target)):
            self._take(target, self.wizard.confirming.confirm([target]))

    def _withdraw(self, target: Target) -> None:
        self._take(target, self.wizard.confirming.withdraw([target]))

    def _take(self, target: Target, done: Confirmed) -> None:
        """Show the status of a step after a confirmation or a withdrawal."""
        if done.kept is not None:
            self.talk.say(f"Lines of the confirmations could not be read. The file as it was is kept: {done.kept}")
        self.runs.results.update(done.results)
        self.runs.show_result(target)

    def _portal(self, target: Target) -> None:
        address = self.wizard.portal_url(target)
        self.talk.add(address or "There is no address yet. Choose your names and subscription first.")

    def _shell(self, target: Target) -> None:
        """Give the terminal to the person's shell, and check the step when they return."""
        shell = own_shell.own_shell(self.wizard)
        self.talk.say(shell.line)
        own_shell.run(shell)
        self.runs.look([target], show=True)

    # What costs, and what is done

    def ending(self) -> None:
        """Show what is verified and confirmed, how long it took, and what still costs money; write the report."""
        self.talk.say("Checking what is done and what costs money …")
        ending = self.runs.read_cloud(self.wizard.ending)
        self.talk.say(ending.heading, "bold")
        for line in ending.lines():
            self.talk.say(line)
        self.talk.say(self.wizard.keep_ending(ending))

    def cost(self) -> None:
        """Show what is running, what it costs, and what always runs."""
        from hol_wizard.doctor.cost import lines

        self.talk.say("Checking what is running …")
        self.runs.show_lines(lines(self.runs.read_cloud(self.wizard.cost), self.wizard.command))

    def _now(self) -> Cost | None:
        """Return what costs money if something can run; None if nothing can run, or it is unknown."""
        made = {Status.PASSED, Status.FAILED, Status.WAITING}
        can_run = (key for key, result in self.runs.results.items() if result.status in made)
        if not any(self.wizard.target(key).step.actions for key in can_run):
            return None
        try:
            return self.runs.read_cloud(self.wizard.cost)
        except WizardError as error:
            self.talk.say(f"Unknown what is running now: {one_line(error.message)}")
            return None

    def before_leaving(self) -> None:
        """Show what is running and what it costs, and offer to stop it."""
        found = self._now()
        if found is None or not found.running:
            return
        self.talk.say(f"{found.heading(still=True)}:", "bold")
        for each in found.running:
            self.talk.say(f"- {each.what}: {each.text()}")
        for action, keys in found.stops.items():
            if not self.talk.agree("Stop it before you quit?", "Yes, stop it", "No, leave it running"):
                return
            targets = [self.wizard.target(key) for key in keys]
            self._back(partial(self.conversing.act, targets, action))

    def doctor(self) -> None:
        """Check the wizard's prerequisites."""
        titles, events = self.wizard.doctor()
        try:
            for event in in_background(events):
                if isinstance(event, RunFinished):
                    for key, result in event.results.items():
                        self.runs.show_lines(result_lines(titles.get(key, key), result))
                self.runs.beat("Still checking.")
        except KeyboardInterrupt:
            raise BackError from None

    # Running

    def _back(self, act: Callable[[], None]) -> None:
        """Do something; Ctrl-C returns here, and errors are shown."""
        try:
            self._safely(act)
        except BackError:
            self.talk.say("Back.")

    def _safely(self, act: Callable[[], None]) -> None:
        try:
            act()
        except WizardError as error:
            self.talk.say(error.message, "bold")
            for more in (self.wizard.speak(error.hint), error.detail):
                if more:
                    self.talk.say(f"  {more}")


def run(
    wizard: Wizard,
    *,
    resume: Section | None = None,
    catch_up: bool = False,
    answers: TextIO | None = None,
    output: TextIO | None = None,
) -> int:
    """Guide a person through the lab, and return the exit code.

    Args:
        wizard: The wizard.
        resume: Section to open; what it needs is checked first.
        catch_up: Whether to do the missing earlier steps, after showing them.
        answers: Where the answers come from; None: standard input.
        output: Where the lines go; None: standard output.
    """
    talk = Talk(answers or sys.stdin, output or sys.stdout)
    guide = Guide(wizard, talk)
    try:
        code = guide.through(resume, catch_up)
        guide.before_leaving()
    except EndError:
        code = 0
    except BackError:
        code = INTERRUPTED
    talk.say("")
    talk.say("Goodbye. Everything stays as it is, and the next start continues from here.")
    return code
