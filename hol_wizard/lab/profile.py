"""The reader's current choices, and the names that result from them."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hol_wizard.config import Origin, Settings
from hol_wizard.lab.choices import DEFAULT_PROFILE, Choices
from hol_wizard.lab.names import Names


def options_of(cloud: str, profile: str) -> tuple[str, ...]:
    """Return the options that select a cloud and a profile in a command."""
    options = {"azure": (), "practice": ("--practice",)}.get(cloud, ("--cloud", cloud))
    return options if profile == DEFAULT_PROFILE else (*options, "--profile", profile)


def command_of(cloud: str, profile: str, lab: str = "") -> str:
    """Return the beginning of a command for a cloud, a profile and a lab: `hol-wizard --practice`.

    Args:
        cloud: Name of the cloud.
        profile: Name of the profile.
        lab: Folder of another lab, as it was named by an option; empty if no option is needed.
    """
    return shlex.join(("hol-wizard", *options_of(cloud, profile), *(("--lab", lab) if lab else ())))


class Profile:
    """One attendee's choices on one cloud, in a file that changes only when a choice does."""

    def __init__(
        self,
        name: str,
        cloud: str,
        path: Path,
        *,
        flags: Mapping[str, str | None] | None = None,
        environ: Mapping[str, str] | None = None,
        defaults: Mapping[str, str] | None = None,
    ) -> None:
        """Read the file, if there is one.

        Args:
            name: The profile's name; `default` unless `--profile` says otherwise.
            cloud: Name of the cloud it belongs to.
            path: Where the choices are saved.
            flags: The command line's values for this run, by input name.
            environ: Environment variables.
            defaults: Default values for inputs that are not set, by input name.

        Raises:
            UsageError: The file is broken, or a value breaks its rule.
        """
        self.name = name
        self.cloud = cloud
        self.path = path
        self._flags = dict(flags or {})
        self._environ = dict(environ or {})
        self._defaults = dict(defaults or {})
        self._lock = threading.Lock()
        self._saved = Choices.load(path)
        self._settings = self._resolve()

    def _resolve(self) -> Settings:
        return Settings.resolve(self._flags, self._environ, self._saved, self._defaults, self.path)

    @property
    def settings(self) -> Settings:
        """The effective value of each input, including defaults, and its source."""
        return self._settings

    @property
    def choices(self) -> Choices:
        """The effective choices: values given for this run, otherwise those of the file; no defaults."""
        settings = self._settings
        chosen = {name: each for name, each in settings.values.items() if each.origin is not Origin.DEFAULT}
        return replace(settings, values=chosen).applied(self._saved)

    @property
    def _own(self) -> str:
        """The profile's part in names; empty for the default profile."""
        return "" if self.name == DEFAULT_PROFILE else self.name

    @property
    def names(self) -> Names:
        """The names derived from the choices."""
        return self.choices.names(cloud=self.cloud, profile=self._own)

    @property
    def offered_names(self) -> Names:
        """The names that would result from the defaults."""
        return self._settings.applied(self._saved).names(cloud=self.cloud, profile=self._own)

    @property
    def options(self) -> tuple[str, ...]:
        """The options that select this cloud and profile in a command."""
        return options_of(self.cloud, self.name)

    def change(self, **values: str) -> None:
        """Change choices and save them; they replace values that were given for this run.

        Raises:
            UsageError: The file cannot be written.
        """
        with self._lock:
            self._saved = replace(self._saved, **values).save(self.path)
            self._flags = {name: value for name, value in self._flags.items() if name not in values}
            self._environ = {
                name: value
                for name, value in self._environ.items()
                if name.removeprefix("HOL_WIZARD_").lower() not in values
            }
            self._settings = self._resolve()

    def forget(self) -> None:
        """Delete the file and all choices."""
        with self._lock:
            self.path.unlink(missing_ok=True)
            self._saved = Choices()
            self._settings = self._resolve()
