"""What tests share reaches as little of the machine as the tests do."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="module")
def shared() -> str | None:
    """The keyring of what is made once for the tests of a module."""
    return os.environ.get("PYTHON_KEYRING_BACKEND")


def test_what_the_tests_of_a_module_share_has_no_keyring(shared: str | None) -> None:
    assert shared == os.environ["PYTHON_KEYRING_BACKEND"] == "keyring.backends.fail.Keyring"
