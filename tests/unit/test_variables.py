"""Secrets in the environment variables are for the wizard, and for no program that it starts."""

import os
import subprocess
import sys

import pytest

from hol_wizard import variables


def test_they_are_taken_from_what_programs_get(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_ID", "an id")
    for name in variables.SECRETS:
        monkeypatch.setenv(name, f"canary of {name}")
    taken = variables.take(os.environ)
    assert {name: taken[name] for name in variables.SECRETS} == {
        name: f"canary of {name}" for name in variables.SECRETS
    }
    shown = "import os; print(*os.environ.items(), sep='\\n')"
    started = subprocess.run([sys.executable, "-c", shown], stdout=subprocess.PIPE, text=True, check=True)
    assert "an id" in started.stdout
    assert "canary" not in started.stdout
