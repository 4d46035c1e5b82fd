"""Section secrets: the expected values of the secrets in the key vault."""

from __future__ import annotations

from collections.abc import Sequence

from hol_wizard.lab.model import Environment
from hol_wizard.lab.names import FIXED
from hol_wizard.resources import client_secret
from hol_wizard.resources.cluster import find as find_cluster
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.service_principal import account
from hol_wizard.resources.vault_secret import Wanted, known
from hol_wizard.services.secrets import Secret

PUBLIC_SIGN_IN = "https://login.microsoftonline.com"
PUBLIC_STORAGE = "core.windows.net"

DATA_LAKE = ("sp-tenant-id", "sp-app-id", "sp-password", "sp-token-endpoint", "datalake-fqdn")
ML_WORKSPACE = ("subscription-id", "resource-group", "ml-workspace-name", "alg-state", "created-by")
BUILD = ("db-workspace-name", "db-cluster-id", "model-name", "image-name", "acr-name")


def data_lake(context: StepContext) -> Sequence[Wanted]:
    """Return the secrets with which the code signs in and finds the lake.

    The addresses are those of the public clouds: a cloud on this machine represents Azure, and the code is written for
    Azure. The token endpoint is version 1, which the driver for `abfss://` requires.
    """
    names, endpoints = context.names, context.services.endpoints
    principal = account(context)
    # Not `client_secret.value`: if the keyring has none, it returns the vault's value.
    password = client_secret.for_the_vault(context)
    public = endpoints.instance_discovery
    sign_in = endpoints.active_directory if public else PUBLIC_SIGN_IN
    storage = endpoints.storage_suffix.lstrip(".") if public else PUBLIC_STORAGE
    step = "service-principal/create-the-service-principal"
    return (
        known("sp-tenant-id", names.tenant),
        Wanted(
            "sp-app-id",
            Secret(principal.application_id) if principal else None,
            f"<first {step}>.",
        ),
        Wanted(
            "sp-password",
            password,
            "This machine's keyring does not have the password. Create a new one "
            f"(<step {step}@{context.environment}>), or set the one that you have: "
            f"az keyvault secret set --vault-name {context.here.key_vault} --name sp-password --file PASSWORD-FILE "
            "--output none",
        ),
        known("sp-token-endpoint", f"{sign_in}/{names.tenant}/oauth2/token"),
        known("datalake-fqdn", f"abfss://{FIXED['file_system']}@{context.here.storage_account}.dfs.{storage}"),
    )


def ml_workspace(context: StepContext) -> Sequence[Wanted]:
    """Return the secrets that say where to register the model, and how to tag it."""
    state = str(context.environment)
    return (
        known("subscription-id", context.names.subscription),
        known("resource-group", context.here.resource_group),
        known("ml-workspace-name", context.here.ml_workspace),
        known("alg-state", state),
        known("created-by", state),
    )


def build(context: StepContext) -> Sequence[Wanted]:
    """Return the additional secrets of the build pipeline."""
    names = context.names
    found = find_cluster(context)
    return (
        known("db-workspace-name", context.here.databricks_workspace),
        Wanted(
            "db-cluster-id",
            Secret(found.id) if found else None,
            "<first cluster/create-the-cluster>.",
        ),
        known("model-name", FIXED["model"]),
        known("image-name", FIXED["image"]),
        known("acr-name", names.of(Environment.PROD).container_registry),
    )
