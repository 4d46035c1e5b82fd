"""Libraries of clusters: Libraries_install, _uninstall, _cluster_status, _all_cluster_statuses."""

from __future__ import annotations

import json
import re

from hol_wizard.practice.databricks import address, errors
from hol_wizard.practice.databricks.clusters import Clusters
from hol_wizard.practice.kernel.clock import DURATIONS
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_KINDS = ("pypi", "maven", "cran", "jar", "egg", "whl", "requirements")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_NOT_THERE = re.compile(r"(does-not-exist|no-such-package)", re.IGNORECASE)
"""Packages that no index has. All others are assumed to exist: nothing is looked up."""
_BEGINS_AFTER = 0.1
"""The fraction of its installation time that a library is PENDING before it is INSTALLING."""


class Libraries:
    """The libraries of each cluster; those requested on a stopped cluster are installed when it starts (azure-docs
    issue 96960, terraform-provider-databricks pull request 4384).

    `azureml-sdk`, which the lab once required, is installed too, as pip does today: for Python 3.12 it resolves
    `azureml-sdk` 1.0.23 of 2019 (pip install --dry-run --python-version 3.12, November 2026).
    """

    def __init__(self, world: World, router: Router, clusters: Clusters) -> None:
        self._world = world
        self._clusters = clusters
        self._documents = world.part(address.Contents).collection("databricks_libraries", self)
        clusters.when_running.append(self._cluster_is_up)
        clusters.when_stopping.append(self._cluster_goes)
        clusters.when_removed.append(lambda cluster: self._keep(cluster, []))
        router.add("POST", "/api/2.0/libraries/install", self._install)
        router.add("POST", "/api/2.0/libraries/uninstall", self._uninstall)
        router.add("GET", "/api/2.0/libraries/cluster-status", self._status, honors="cluster_id")
        router.add("GET", "/api/2.0/libraries/all-cluster-statuses", self._statuses)

    def _of(self, cluster: Document) -> list[Document]:
        found = self._documents.get(f"{cluster['workspace']}/{cluster['cluster_id']}")
        return list(found["libraries"]) if found is not None else []

    def _keep(self, cluster: Document, libraries: list[Document]) -> None:
        key = f"{cluster['workspace']}/{cluster['cluster_id']}"
        if libraries:
            document = {"workspace": cluster["workspace"], "cluster_id": cluster["cluster_id"], "libraries": libraries}
            self._documents.put(key, document)
        else:
            self._documents.delete(key)

    def _cluster_is_up(self, cluster: Document) -> None:
        kept = [each for each in self._of(cluster) if not each["going"]]
        self._keep(cluster, [{**each, "began": cluster["up"]} for each in kept])

    def _cluster_goes(self, cluster: Document) -> None:
        kept = [each for each in self._of(cluster) if not each["going"]]
        self._keep(cluster, [{**each, "began": 0.0} for each in kept])

    def _install(self, request: Request) -> Response:
        cluster, wanted = self._wanted(request)
        self.ask_for(cluster, wanted)
        if cluster["state"] == "RUNNING":
            self._clusters.touch(cluster)
        return Response(200, {})

    def ask_for(self, cluster: Document, wanted: list[JsonObject]) -> None:
        """Record libraries to install: immediately on a running cluster, else when it next starts."""
        libraries = self._of(cluster)
        runs = cluster["state"] == "RUNNING"
        began = self._world.clock.now() if runs else 0.0
        for library in wanted:
            known = [each for each in libraries if each["library"] == library]
            if known and not known[0]["going"] and not self._failed(known[0]):
                continue
            libraries = [each for each in libraries if each["library"] != library]
            libraries.append({"library": library, "began": began, "going": False})
        self._keep(cluster, libraries)

    def _uninstall(self, request: Request) -> Response:
        """Mark libraries for removal at the next restart; on a stopped cluster they are removed immediately."""
        cluster, wanted = self._wanted(request)
        libraries = self._of(cluster)
        if cluster["state"] == "TERMINATED":
            libraries = [each for each in libraries if each["library"] not in wanted]
        else:
            libraries = [{**each, "going": each["going"] or each["library"] in wanted} for each in libraries]
        self._keep(cluster, libraries)
        return Response(200, {})

    def _wanted(self, request: Request) -> tuple[Document, list[JsonObject]]:
        """Return the cluster and the libraries that a body names.

        Raises:
            Refused: There is no such cluster, or a library specification is invalid; those texts are unrecorded.
        """
        cluster = self._clusters.find(request.thing, str(request.json.get("cluster_id", "")))
        libraries = request.json.get("libraries")
        if not isinstance(libraries, list) or not libraries:
            raise errors.invalid("Missing required field 'libraries'")
        check(libraries)
        return cluster, libraries

    def _status(self, request: Request) -> Response:
        cluster = self._clusters.find(request.thing, request.query.get("cluster_id", ""))
        return Response(200, self._shown(cluster))

    def _statuses(self, request: Request) -> Response:
        found = [self._shown(each) for each in self._clusters.of(request.thing) if self._of(each)]
        return Response(200, {"statuses": found} if found else {})

    def statuses(self, cluster: Document) -> list[JsonObject]:
        """Return the cluster's libraries, each with its status and messages."""
        return [self._full_status(cluster, each) for each in self._of(cluster)]

    def _shown(self, cluster: Document) -> JsonObject:
        statuses = self.statuses(cluster)
        return {"cluster_id": cluster["cluster_id"], **({"library_statuses": statuses} if statuses else {})}

    def _full_status(self, cluster: Document, library: Document) -> JsonObject:
        status, messages = self._state(cluster, library)
        body: JsonObject = {"library": library["library"], "status": status, "is_library_for_all_clusters": False}
        if messages:
            body["messages"] = messages
        return body

    def _state(self, cluster: Document, library: Document) -> tuple[str, list[str]]:
        if library["going"]:
            return "UNINSTALL_ON_RESTART", ["Libraries marked for uninstallation will be removed on cluster restart."]
        if cluster["state"] != "RUNNING" or not library["began"]:
            return "PENDING", []
        passed = (self._world.clock.now() - library["began"]) * self._world.clock.speed
        takes = DURATIONS["Databricks library install"].seconds
        if passed < takes * _BEGINS_AFTER:
            return "PENDING", []
        if passed < takes:
            return "INSTALLING", []
        problem = _problem(library["library"])
        return ("FAILED", [_message(cluster, *problem)]) if problem else ("INSTALLED", [])

    def _failed(self, library: Document) -> bool:
        return _problem(library["library"]) is not None


def check(libraries: list[JsonObject]) -> None:
    """Check that each library specification is valid, also those of a run's task.

    Raises:
        Refused: One is not.
    """
    for library in libraries:
        if not isinstance(library, dict) or len(library) != 1 or next(iter(library)) not in _KINDS:
            raise errors.invalid(f"Invalid library specification: {json.dumps(library)}")
        if "pypi" in library and not (isinstance(library["pypi"], dict) and library["pypi"].get("package")):
            raise errors.invalid("Missing required field 'package'")


def _problem(library: JsonObject) -> tuple[str, str] | None:
    """Return the requirement and pip's error for it; None if it can be installed."""
    if "pypi" not in library:
        return None
    package = str(library["pypi"]["package"])
    name = re.split(r"[\[<>=!~; ]", package, maxsplit=1)[0]
    if not _NAME.fullmatch(name):
        return package, f"ERROR: Invalid requirement: '{package}'"
    if _NOT_THERE.search(name):
        return package, (
            f"ERROR: Could not find a version that satisfies the requirement {package} (from versions: none)\n"
            f"ERROR: No matching distribution found for {package}"
        )
    return None


def _message(cluster: Document, package: str, pip: str) -> str:
    """Return Databricks' message for a library that failed (its form is that in many public issues)."""
    return (
        f"Library installation attempted on the driver node of cluster {cluster['cluster_id']} and failed. Please "
        "refer to the following error message to fix the library or contact Databricks support. Error code: "
        "DRIVER_LIBRARY_INSTALLATION_FAILURE. Error message: org.apache.spark.SparkException: Process List(/bin/su, "
        "libraries, -c, bash /local_disk0/.ephemeral_nfs/cluster_libraries/python/python_start_clusterwide.sh "
        f"/local_disk0/.ephemeral_nfs/cluster_libraries/python/bin/pip install '{package}' "
        f"--disable-pip-version-check) exited with code 1. {pip}"
    )
