"""The connection to the cloud: addresses, service clients, who is signed in, and the context of a step's functions."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from hol_wizard.engine.ledger import Ledger
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.reporter import Reporter
from hol_wizard.errors import WizardError
from hol_wizard.lab.model import Target
from hol_wizard.lab.profile import Profile
from hol_wizard.paths import Home
from hol_wizard.wizard.registration import load_steps

if TYPE_CHECKING:
    from hol_wizard.resources.context import StepContext
    from hol_wizard.services.context import Services
    from hol_wizard.services.endpoints import Endpoints
    from hol_wizard.services.identity import Account
    from hol_wizard.services.secrets import Secret

logger = logging.getLogger(__name__)


class Connection:
    """Connects to the cloud when it is first needed, and again if its addresses change."""

    def __init__(
        self,
        *,
        home: Home,
        cloud: str,
        profile: Profile,
        ledger: Ledger,
        connect: Callable[[], Endpoints],
        environ: Mapping[str, str],
        make: Callable[[Endpoints], Services] | None = None,
    ) -> None:
        """Create a connection without contacting the cloud.

        Args:
            home: Where files are kept.
            cloud: `azure`, `usgov`, `china` or `practice`.
            profile: The attendee's choices.
            ledger: What this wizard created.
            connect: Returns the cloud's addresses; called on worker threads before each run.
            environ: Environment variables.
            make: Makes the service clients for the addresses; None: the real ones.
        """
        self.services: Services | None = None
        """The most recent clients."""
        self.user = ""
        """Who was last seen signed in; empty if unknown."""
        self.known_user = ""
        """Who was last seen signed in, in this session or an earlier one; only for texts."""
        self.profile = profile
        self._home = home
        self._cloud = cloud
        self._ledger = ledger
        self._connect = connect
        self.environ = environ
        """The process's variables, before any were removed."""
        self.make = make or self._make
        self._connecting = threading.Lock()

    def _make(self, endpoints: Endpoints) -> Services:
        from hol_wizard.services.context import Services

        return Services(
            endpoints,
            self.profile.name,
            tenant=lambda: self.profile.choices.tenant,
            environ=self.environ,
            cache=self._home.cache_folder(self._cloud, self.profile.name),
            devops_by_token=lambda: self.profile.settings.value("devops_sign_in") == "token",
        )

    def reach(self) -> Services:
        """Return the clients for the cloud's current addresses.

        Raises:
            WizardError: The cloud's addresses could not be determined.
        """
        load_steps()
        with self._connecting:
            endpoints = self._connect()
            if self.services is None or self.services.endpoints != endpoints:
                made = self.make(endpoints)
                # Keep the secrets of a session without a keyring.
                self.services = made.replace(secrets=self.services.secrets) if self.services else made
            return self.services

    def reach_once(self) -> Services:
        """Return the existing clients, or new ones if there are none.

        Raises:
            WizardError: The cloud's addresses could not be determined.
        """
        return self.services or self.reach()

    def refresh(self) -> None:
        """Connect again, so that a stopped practice cloud is restarted; the checks report errors."""
        try:
            self.reach()
        except WizardError as error:
            logger.warning("cannot reach the cloud: %s", error)
            self.services = None

    def account(self) -> Account | None:
        """Return who is signed in, or None.

        Raises:
            WizardError: The cloud's addresses could not be determined.
        """
        return self.reach().identity.account()

    def note_user(self) -> None:
        """Remember who is signed in."""
        if self.services is None:
            return
        try:
            account = self.services.identity.account()
        except WizardError as error:
            logger.info("unknown who is signed in: %s", error.message)
            return
        self.user = self.known_user = account.user if account else ""

    def git_authorization(self, host: str) -> Secret | None:
        """Return the `Authorization` header for git at a host, or None if the host is not the lab's Azure DevOps.

        Args:
            host: `https://dev.azure.com`.

        Raises:
            SignInError: Nobody is signed in.
        """
        services, organization = self.reach(), self.profile.offered_names.devops_organization
        if not organization or services.endpoints.address_of(host).lower() != services.endpoints.devops.lower():
            return None
        return services.devops(organization).authorization()

    def context(
        self,
        target: Target,
        services: Services,
        reads: ReadCache,
        reporter: Reporter | None = None,
        inputs: Mapping[str, str] | None = None,
    ) -> StepContext:
        """Return the context for a step's functions."""
        from hol_wizard.resources.context import StepContext

        return StepContext(
            target=target.key,
            environment=target.environment,
            profile=self.profile,
            services=services,
            reads=reads,
            ledger=self._ledger,
            reporter=reporter or Reporter(target.key, lambda event: None, threading.Event()),
            inputs=inputs or {},
            templates=target.step.arguments,
            declared=target.step.declared,
            check=target.step.check,
            asked=target.step.inputs,
        )
