"""Python packages on the clusters of a Databricks workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from hol_wizard.services.databricks import sdk
from hol_wizard.services.databricks.connection import Connection

if TYPE_CHECKING:
    from databricks.sdk.service import compute


class Library(NamedTuple):
    """A Python package on a cluster."""

    package: str
    """`azureml-mlflow==1.62.0.post6`."""
    status: str
    """`PENDING`, `RESOLVING`, `INSTALLING`, `INSTALLED`, `RESTORED`, `SKIPPED`, `FAILED` or `UNINSTALL_ON_RESTART`."""
    messages: tuple[str, ...] = ()


class Libraries(Connection):
    """The Python packages of a workspace's clusters."""

    def libraries(self, cluster_id: str) -> tuple[Library, ...]:
        """Return the Python packages that were requested for a cluster, with their status.

        Raises:
            NotFoundError: There is no such cluster.
            ServiceError: The workspace could not be asked.
        """
        api = self._api(sdk.compute().LibrariesAPI, f"libraries of cluster {cluster_id}")
        return tuple(_library(each) for each in api.cluster_status(cluster_id) if each.library and each.library.pypi)

    def install_library(self, cluster_id: str, package: str) -> None:
        """Request a Python package on a cluster: it is installed immediately, or at a stopped cluster's next start.

        Raises:
            ServiceError: The workspace refused.
        """
        self._api(sdk.compute().LibrariesAPI, f"library {package}").install(cluster_id, [_pypi(package)])

    def uninstall_library(self, cluster_id: str, package: str) -> None:
        """Request the removal of a Python package, which takes effect when the cluster restarts.

        Raises:
            ServiceError: The workspace refused.
        """
        self._api(sdk.compute().LibrariesAPI, f"library {package}").uninstall(cluster_id, [_pypi(package)])


@sdk.reads("library")
def _library(told: Any) -> Library:
    package = sdk.needed(told.library.pypi.package, "package")
    return Library(package, sdk.value(told.status), tuple(map(str, told.messages or ())))


def _pypi(package: str) -> compute.Library:
    found = sdk.compute()
    library: compute.Library = found.Library(pypi=found.PythonPyPiLibrary(package=package))
    return library
