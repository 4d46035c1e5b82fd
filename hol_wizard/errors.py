"""The project's own errors: what happened, and what to do next."""

from __future__ import annotations

from typing import ClassVar

from hol_wizard.redaction import redact, scrub


class WizardError(Exception):
    """An error that the person must know about, with what to do about it.

    Secrets in its texts are hidden when it is created, because it is logged, shown, reported and copied.

    Attributes:
        message: What happened, and to which resource, in plain words.
        hint: What to do next; if it is a command, it can be pasted.
        code: The service's own error code (`StorageAccountAlreadyTaken`), or an empty string.
        detail: The service's original message, which can be copied into a question to the proctor.
        passes: Whether the cause is temporary, so that it is worth repeating the same request.
    """

    untold: ClassVar[bool] = False
    """Whether the next check may find out more than this one; a refusal or an unreachable host does not change."""

    def __init__(self, message: str, hint: str = "", *, code: str = "", detail: str = "") -> None:
        self.message = redact(message)
        self.hint = redact(hint)
        self.code = redact(code)
        self.detail = scrub(detail)
        self.passes = False
        super().__init__(self.message)


class DefectError(WizardError):
    """A defect of the wizard's own ended what it was doing; exit code 70. The log contains the cause."""


class UsageError(WizardError):
    """The command line, a configuration file or a typed value is wrong; exit code 2."""


class ContentError(WizardError):
    """The lab's own documents are wrong; exit code 2."""


class ServiceError(WizardError):
    """A service answered, and its answer is an error."""


class NotFoundError(ServiceError):
    """The service itself says that the requested resource does not exist.

    Only the service's own error code for this counts (`error_rules`); any other 404 is an `AbsenceUnclearError`.
    """


class ConflictError(ServiceError):
    """The request conflicts with what exists: a name is in use, or something is being changed."""


class NotAgreedError(ConflictError):
    """What would run on the person's own machine is not what they agreed to; nothing was started, and they are asked
    again."""


class AccessDeniedError(ServiceError):
    """The signed-in account may not do this."""


class UnreachableError(ServiceError):
    """There was no response: no network, a refused connection, a timeout, an untrusted certificate."""


class InconclusiveError(UnreachableError):
    """A response arrived, but it leaves open whether something exists or whether a change was made.

    For example, the service is too busy or has a problem, a proxy answers instead of the service, or the response ends
    early.
    """

    untold = True


class NotReadyError(InconclusiveError):
    """Something exists, but its service does not provide its address yet."""

    untold = False


class AbsenceUnclearError(InconclusiveError):
    """HTTP 404 without the service's own error code for a missing resource."""


class SignInError(WizardError):
    """Nobody is signed in, the sign-in has expired, or it was refused."""


class StoppedError(WizardError):
    """The work stopped at a safe point before its end; what a service has started continues there."""


class CancelledByUserError(StoppedError):
    """The person asked to stop."""


class OverdueError(StoppedError):
    """The work took longer than its deadline."""


class SecretStoreError(WizardError):
    """The operating system's keyring refused the request or is not available."""


class LedgerError(WizardError):
    """What this wizard creates cannot be recorded, or the records cannot be trusted."""
