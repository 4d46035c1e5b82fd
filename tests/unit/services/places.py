"""Addresses for tests that ask nobody, or only this machine."""

from __future__ import annotations

from hol_wizard.services.endpoints import Endpoints

CLOUD = Endpoints(
    name="test",
    resource_manager="https://127.0.0.1:9",
    active_directory="https://127.0.0.1:9",
    microsoft_graph="https://127.0.0.1:9",
    management_audience="https://management.core.windows.net/",
    graph_audience="https://graph.microsoft.com",
    key_vault_audience="https://vault.azure.net",
    storage_audience="https://storage.azure.com",
    storage_suffix="test.invalid",
    key_vault_suffix=".vault.test.invalid",
    portal="",
    browser_sign_in=False,
    instance_discovery=False,
    poll_interval=0.01,
)
"""Port 9 (discard): nothing listens there."""
