"""The project's own errors: what happened, and what to do next."""

from __future__ import annotations

from typing import ClassVar

from hol_wizard.redaction import redact, scrub


class WizardError(Exception):
    """Something that the person at the screen has to know, with what to do about it.

    Secrets that the words quote are hidden as soon as it is made: it is logged, shown, reported and copied.

    Attributes:
        message: What happened, to which thing, in plain words.
        hint: What to do next; where it is a command, one that can be pasted.
        code: The service's own error code (`StorageAccountAlreadyTaken`), or an empty string.
        detail: The service's own words, kept for copying into a question to the proctor.
        passes: Whether the reason passes by itself, so that the same request is worth another try.
    """

    untold: ClassVar[bool] = False
    """Whether the next look may tell what this answer did not; a closed door (a refusal, a host out of reach) stays."""

    def __init__(self, message: str, hint: str = "", *, code: str = "", detail: str = "") -> None:
        self.message = redact(message)
        self.hint = redact(hint)
        self.code = redact(code)
        self.detail = scrub(detail)
        self.passes = False
        super().__init__(self.message)


class UsageError(WizardError):
    """The command line, a configuration file or a typed value is wrong; exit code 2."""


class ContentError(WizardError):
    """The lab's own documents are wrong; exit code 2."""


class ServiceError(WizardError):
    """A service answered, and its answer is an error."""


class NotFoundError(ServiceError):
    """The service itself says that the thing that was asked for does not exist.

    Only a code that the service has for this says so (`error_rules`); any other 404 is an `AbsenceUnclearError`.
    """


class ConflictError(ServiceError):
    """The request collides with what is there: a name is taken, something is being changed."""


class AccessDeniedError(ServiceError):
    """The signed-in account may not do this."""


class UnreachableError(ServiceError):
    """No answer came: no network, a refused connection, a time-out, an untrusted certificate."""


class InconclusiveError(UnreachableError):
    """An answer came, but it does not tell: whether something exists, or whether a change was made, is still open.

    A service that is too busy or has a problem of its own, something between that answers in the service's place, an
    response that ends early.
    """

    untold = True


class NotReadyError(InconclusiveError):
    """Something exists, but its service does not say yet at which address it can be asked."""

    untold = False


class AbsenceUnclearError(InconclusiveError):
    """HTTP 404 came without the service's own word that the thing does not exist."""


class SignInError(WizardError):
    """Nobody is signed in, the sign-in has expired, or it was refused."""


class StoppedError(WizardError):
    """The work stopped at a safe point before its end; what a service has begun goes on there."""


class CancelledByUserError(StoppedError):
    """The person asked to stop."""


class OverdueError(StoppedError):
    """The work took longer than its deadline."""


class SecretStoreError(WizardError):
    """The operating system's keyring refused or is not there."""


class LedgerError(WizardError):
    """What this wizard made cannot be written down, or what was written down cannot be trusted."""
