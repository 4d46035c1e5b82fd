"""Clusters: Clusters_create, _list, _get, _edit, _update, _start, _restart, _delete, _permanent_delete, _pin, _unpin,
_events, _spark_versions, _list_node_types, _list_zones, at version 2.0 and 2.1 alike.

The life cycle of a cluster follows "Compute" in the documentation; the texts of `state_message` are those on the page
of a cluster. INVALID_STATE and its text are quoted from public issues.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.databricks import address, cluster_spec, errors, quota
from hol_wizard.practice.databricks.records import ClusterRecords
from hol_wizard.practice.databricks.runtimes import SIZES, VERSIONS, node_type
from hol_wizard.practice.kernel.clock import DURATIONS
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_VERSIONS = ("2.0", "2.1")
_MOST_CLUSTERS = 100
_PAGE = 20
"""Default length of a page of `clusters/list`; at most 100 (databricks-sdk)."""
_FILTERS = " ".join(f"filter_by.{name}" for name in ("cluster_states", "cluster_sources", "is_pinned", "policy_id"))
_QUERY = {
    ("GET", "get", ""): ("cluster_id", ""),
    ("GET", "list", "/api/2.0/clusters"): ("", "can_use_client"),
    ("GET", "list", ""): (f"{_FILTERS} sort_by.field sort_by.direction page_size page_token", ""),
}
"""How the query parameters of an operation are handled, in one version of the API or in all."""
_EVENTS = 50
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_BY_API, _BY_JOB = "API", "JOB"
"""What created a cluster (`cluster_source`): a user, or the run of a job that has its own cluster."""
_CLOUD_FAILURES = frozenset(
    {"CLOUD_PROVIDER_RESOURCE_STOCKOUT", "CLOUD_PROVIDER_LAUNCH_FAILURE", "CLOUD_PROVIDER_SHUTDOWN"}
)
_CLIENT_ERRORS = frozenset({"AZURE_QUOTA_EXCEEDED_EXCEPTION", "AZURE_OPERATION_NOT_ALLOWED_EXCEPTION"})


class Clusters:
    """The clusters of each workspace; names need not be unique."""

    def __init__(self, world: World, router: Router) -> None:
        self._world = world
        self._records = world.part(ClusterRecords)
        self._events = world.part(address.Contents).collection("databricks_events", self)
        self.when_running: list[Callable[[Document], None]] = []
        """Called with each cluster that has started."""
        self.when_stopping: list[Callable[[Document], None]] = []
        """Called with each cluster whose machines are released."""
        self.when_idle: list[Callable[[Document], bool]] = []
        """Called with each cluster that seems idle; parts that use it note that it is in use."""
        self.when_removed: list[Callable[[Document], object]] = []
        """Called with each cluster that is deleted permanently."""
        world.operations.on_end("databricks cluster start", self._started)
        world.operations.on_end("databricks cluster stop", self._stopped)
        for version in _VERSIONS:
            base = f"/api/{version}/clusters"
            for method, name, handler in (
                ("POST", "create", self._create),
                ("GET", "list", self._list if version == "2.1" else self._list_whole),
                ("GET", "get", self._get),
                ("POST", "edit", self._edit),
                ("POST", "update", self._update),
                ("POST", "start", self._start),
                ("POST", "restart", self._restart),
                ("POST", "delete", self._delete),
                ("POST", "permanent-delete", self._delete_for_good),
                ("POST", "pin", self._pin),
                ("POST", "unpin", self._unpin),
                ("POST", "events", self._list_events),
                ("GET", "spark-versions", self._versions),
                ("GET", "list-node-types", self._node_types),
                ("GET", "list-zones", self._zones),
            ):
                honors, refuses = _QUERY.get((method, name, base), _QUERY.get((method, name, ""), ("", "")))
                router.add(method, f"{base}/{name}", handler, honors=honors, refuses=refuses)

    def of(self, workspace: str) -> list[Document]:
        """Return a workspace's clusters, newest first; those that were idle too long have been stopped."""
        found = [each for each in self._records.all() if each["workspace"] == workspace]
        for each in found:
            self._stop_idle(each)
        return sorted(
            (each for each in found if self._records.find(self._key(each)) is not None), key=_created, reverse=True
        )

    def find(self, workspace: str, cluster_id: str) -> Document:
        """Return the cluster with this ID.

        Raises:
            Refused: There is none; code and text are from databricks-sdk (errors/overrides.py).
        """
        found = self._records.find(f"{workspace}/{cluster_id}")
        if found is None:
            raise errors.invalid(f"Cluster {cluster_id} does not exist")
        self._stop_idle(found)
        return found

    def admit(self, cluster: Document, who: seed.Principal) -> None:
        """Check that somebody may use the cluster: a dedicated one can be used only by the user that it is assigned to.

        Administrators are no exception ("Dedicated compute overview"). Code and text are quoted in public repositories,
        from requests by service principals and by users. The practice cloud has no groups that a cluster could be
        assigned to.

        Raises:
            Refused: The cluster is dedicated to somebody else.
        """
        refusal = self.refusal(cluster, who)
        if refusal:
            raise errors.denied(refusal)

    def refusal(self, cluster: Document, who: seed.Principal) -> str:
        """Return why somebody may not use the cluster; empty if they may."""
        owner = str(cluster["spec"].get("single_user_name") or "")
        if (
            cluster["spec"].get("data_security_mode") not in cluster_spec.DEDICATED
            or owner.lower() == who.client.lower()
        ):
            return ""
        return (
            f"Single-user check failed: user '{who.client}' attempted to run a command on single-user cluster "
            f"{cluster['cluster_id']}, but the single user of this cluster is '{owner}'"
        )

    def create_for_run(self, request: Request, wanted: JsonObject, who: seed.Principal, name: str) -> Document:
        """Create the own cluster of a run, and begin to start it (`new_cluster` of the Jobs API).

        Args:
            request: The request that submits the run.
            wanted: The body's `new_cluster`.
            who: The identity of the run.
            name: "For job clusters, the cluster name is automatically set based on the job and job run IDs."

        Raises:
            Refused: A value is not allowed.
        """
        spec = cluster_spec.checked(wanted, who.client, for_run=True)
        return self._begin(request, {**spec, "cluster_name": name}, who, source=_BY_JOB)

    def end_for_run(self, cluster: Document) -> None:
        """Release the machines of a run's own cluster when the run has ended."""
        found = self._records.find(self._key(cluster))
        if found is not None and found["state"] not in {"TERMINATED", "TERMINATING"}:
            self._stop(found, {"code": "JOB_FINISHED", "type": "SUCCESS", "parameters": {}}, "")

    def wake(self, request: Request, cluster: Document) -> None:
        """Start a stopped cluster because a run needs it (Jobs API: "existing clusters are started")."""
        self._record(cluster, "STARTING", user=request.who.client)
        self._launch(request, cluster, "PENDING")

    def was_used(self, workspace: str, cluster_id: str) -> None:
        """Note that something that used a cluster has ended."""
        found = self._records.find(f"{workspace}/{cluster_id}")
        if found is not None and found["state"] == "RUNNING":
            self.touch(found)

    def touch(self, cluster: Document) -> None:
        """Note that the cluster is in use: its idle time starts again."""
        cluster["last_activity"] = self._world.clock.now()
        self._put(cluster)

    def _key(self, cluster: Document) -> str:
        return self._records.key(cluster)

    def _put(self, cluster: Document) -> None:
        self._records.keep(cluster)

    def _named(self, request: Request) -> Document:
        name = str(
            request.query.get("cluster_id", "") if request.method == "GET" else request.json.get("cluster_id", "")
        )
        if not name:
            raise errors.invalid("Missing required field 'cluster_id'")
        return self.find(request.thing, name)

    def _lasting(self, request: Request, change: str) -> Document:
        """Return the cluster that a request names, unless it is a run's own cluster.

        Those cannot be started or edited (Clusters API: "Clusters launched to run a job cannot be started"). The text
        is unrecorded.

        Raises:
            Refused: It is a run's own cluster.
        """
        cluster = self._named(request)
        if _source(cluster) == _BY_JOB:
            raise errors.wrong_state(f"Cluster {cluster['cluster_id']} was created by a job and cannot be {change}.")
        return cluster

    def is_for_run(self, cluster: Document) -> bool:
        """Return whether the cluster is a run's own."""
        return _source(cluster) == _BY_JOB

    def _record(self, cluster: Document, kind: str, when: float | None = None, **details: Any) -> None:
        """Record an event of the cluster."""
        at = self._world.clock.now() if when is None else when
        event = {
            "workspace": cluster["workspace"],
            "cluster_id": cluster["cluster_id"],
            "timestamp": int(at * 1000),
            "type": kind,
            "details": details,
        }
        self._events.put(f"{self._key(cluster)}/{len(self._events):08}-{secrets.token_hex(4)}", event)

    def _create(self, request: Request) -> Response:
        spec = cluster_spec.checked(request.json, request.who.client)
        token = str(request.json.get("idempotency_token") or "")
        for each in self.of(request.thing):
            if token and each["idempotency_token"] == token:
                return Response(200, {"cluster_id": each["cluster_id"]})
        return Response(200, {"cluster_id": self._begin(request, spec, request.who, token)["cluster_id"]})

    def _begin(
        self, request: Request, spec: JsonObject, who: seed.Principal, token: str = "", *, source: str = _BY_API
    ) -> Document:
        """Create a cluster: it starts immediately; the API cannot create a stopped one."""
        now = self._world.clock.now()
        name = f"{datetime.fromtimestamp(now, UTC):%m%d-%H%M%S}-" + "".join(secrets.choice(_ALPHABET) for _ in range(8))
        cluster = {
            "workspace": request.thing,
            "cluster_id": name,
            "spec": {"cluster_name": "", **spec},
            "creator": who.client,
            "source": source,
            "created": now,
            "idempotency_token": token,
            "last_activity": now,
            "last_restarted": 0.0,
            "pinned": False,
            "reason": None,
            "terminated": 0.0,
        }
        self._record(cluster, "CREATING", cluster_size=_size(cluster), user=who.client)
        self._launch(request, cluster, "PENDING")
        return cluster

    def _launch(self, request: Request, cluster: Document, state: str) -> None:
        """Request the machines from Azure: this takes time, and Azure may lack the capacity or the quota may be used
        up."""
        resource = address.resource_of(self._world, request.thing)
        lacking = quota.lacking(self._world, resource, cluster) if resource is not None else ""
        work = "Databricks cluster refused" if lacking else "Databricks cluster start"
        operation = self._world.operations.begin(
            "databricks cluster start", self._key(cluster), work, request.path, method=request.method
        )
        fault = self._world.faults.take(address.SERVICE, request.method, request.path, ("failed-operation",))
        if lacking:
            operation["error"] = {"code": "AZURE_QUOTA_EXCEEDED_EXCEPTION", "message": lacking}
        elif fault is not None:
            operation["error"] = {"code": fault["code"], "message": fault["message"]}
        self._world.operations.keep(operation)
        now = self._world.clock.now()
        cluster.update(
            state=state,
            operation=operation["id"],
            started=now,
            reason=None,
            state_message="Finding instances for new nodes, acquiring more instances if necessary",
        )
        self._put(cluster)

    def _started(self, world: World, operation: Document) -> None:
        cluster = self._records.find(operation["target"])
        if cluster is None or cluster["operation"] != operation["id"]:
            return  # it was stopped or removed before it had started
        ended = operation["ended"]
        if operation["error"]:
            self._fail(cluster, operation["error"], ended)
            return
        cluster.update(state="RUNNING", state_message="", last_activity=ended, up=ended, node=secrets.token_hex(16))
        self._put(cluster)
        self._record(cluster, "DRIVER_HEALTHY", ended)
        workers = _workers(cluster)
        self._record(cluster, "RUNNING", ended, current_num_workers=workers, target_num_workers=workers)
        for told in self.when_running:
            told(cluster)

    def _fail(self, cluster: Document, error: Document, ended: float) -> None:
        """Stop a cluster whose machines Azure does not provide, with the reason that Databricks gives for it."""
        code = str(error["code"])
        kind = "CLIENT_ERROR" if code in _CLIENT_ERRORS else "CLOUD_FAILURE"
        if code not in _CLIENT_ERRORS | _CLOUD_FAILURES and not code.startswith(("AZURE_", "NPIP_", "BOOTSTRAP_")):
            code, kind = "CLOUD_PROVIDER_LAUNCH_FAILURE", "CLOUD_FAILURE"
        azure = {
            "AZURE_QUOTA_EXCEEDED_EXCEPTION": "QuotaExceeded",
            "AZURE_OPERATION_NOT_ALLOWED_EXCEPTION": "OperationNotAllowed",
            "CLOUD_PROVIDER_RESOURCE_STOCKOUT": "SkuNotAvailable",
        }.get(code, str(error["code"]))
        parameters = {"azure_error_code": azure, "azure_error_message": str(error["message"])}
        cluster["reason"] = {"code": code, "type": kind, "parameters": parameters}
        cluster.update(
            state="TERMINATED",
            terminated=ended,
            state_message=f"{code}({kind}): azure_error_code:{azure},azure_error_message:{error['message']}",
        )
        self._put(cluster)
        self._record(cluster, "TERMINATING", ended, reason=cluster["reason"])

    def _stop(self, cluster: Document, reason: JsonObject, message: str, when: float | None = None) -> None:
        """Release the machines of a cluster."""
        at = self._world.clock.now() if when is None else when
        due = at + DURATIONS["Databricks cluster stop"].seconds / self._world.clock.speed
        # No fault applies: a stop does not fail.
        operation = self._world.operations.begin_until("databricks cluster stop", self._key(cluster), due, started=at)
        cluster.update(state="TERMINATING", state_message=message, operation=operation["id"], reason=reason)
        self._put(cluster)
        self._record(cluster, "TERMINATING", at, reason=reason)
        for told in self.when_stopping:
            told(cluster)

    def _stopped(self, world: World, operation: Document) -> None:
        cluster = self._records.find(operation["target"])
        if cluster is None or cluster["operation"] != operation["id"]:
            return
        cluster.update(state="TERMINATED", terminated=operation["ended"])
        self._put(cluster)

    def _stop_idle(self, cluster: Document) -> None:
        """Stop the cluster if it has been idle for the time that its specification sets."""
        minutes = cluster["spec"]["autotermination_minutes"]
        if cluster["state"] != "RUNNING" or not minutes:
            return
        due = cluster["last_activity"] + self._world.clock.idle(minutes * 60)
        if due <= self._world.clock.now() and not any(uses(cluster) for uses in self.when_idle):
            reason = {
                "code": "INACTIVITY",
                "type": "SUCCESS",
                "parameters": {"inactivity_duration_min": str(minutes)},
            }
            self._stop(cluster, reason, f"Inactive cluster terminated (inactive for {minutes} minutes).", due)
            self._world.operations.settle_within()

    def _start(self, request: Request) -> Response:
        cluster = self._lasting(request, "started")
        if cluster["state"] != "TERMINATED":
            raise _unexpected(cluster)
        self.wake(request, cluster)
        return Response(200, {})

    def _restart(self, request: Request) -> Response:
        cluster = self._lasting(request, "restarted")
        if cluster["state"] != "RUNNING":
            raise _unexpected(cluster)
        self._relaunch(request, cluster)
        return Response(200, {})

    def _relaunch(self, request: Request, cluster: Document) -> None:
        self._record(cluster, "RESTARTING", user=request.who.client)
        for told in self.when_stopping:
            told(cluster)
        cluster["last_restarted"] = self._world.clock.now()
        self._launch(request, cluster, "RESTARTING")

    def _delete(self, request: Request) -> Response:
        """Terminate the cluster; it stays in the list for 30 days, or permanently if it is pinned."""
        cluster = self._named(request)
        if cluster["state"] not in {"TERMINATED", "TERMINATING"}:
            reason = {"code": "USER_REQUEST", "type": "SUCCESS", "parameters": {"username": request.who.client}}
            self._stop(cluster, reason, f"Terminated by {request.who.client}")
        return Response(200, {})

    def _delete_for_good(self, request: Request) -> Response:
        """Delete the cluster, unless it is pinned (text: terraform-provider-databricks issue 113; code: estimate)."""
        cluster = self._named(request)
        if cluster["pinned"]:
            raise errors.wrong_state(
                f"Cannot delete pinned cluster {cluster['cluster_id']}. Please ask an admin to unpin the cluster first."
            )
        for told in self.when_stopping:
            told(cluster)
        self._records.remove(self._key(cluster))
        for removed in self.when_removed:
            removed(cluster)
        for key, event in self._events.items():
            if event["workspace"] == request.thing and event["cluster_id"] == cluster["cluster_id"]:
                self._events.delete(key)
        return Response(200, {})

    def _edit(self, request: Request) -> Response:
        cluster = self._lasting(request, "edited")
        self._change(request, cluster, cluster_spec.checked(request.json, request.who.client))
        return Response(200, {})

    def _update(self, request: Request) -> Response:
        """Update the fields that `update_mask` names; a field that is missing in the body is unset."""
        cluster = self._lasting(request, "edited")
        mask = [name.strip() for name in str(request.json.get("update_mask") or "").split(",") if name.strip()]
        given = request.json.get("cluster") or {}
        if not mask or not isinstance(given, dict):
            raise errors.invalid("Missing required field 'update_mask'")
        wanted = dict(cluster["spec"])
        for name in list(given) if "*" in mask else mask:
            first, _, rest = name.partition(".")
            if rest:
                inner = {**(wanted.get(first) or {})}
                value = (given.get(first) or {}).get(rest)
                inner.pop(rest, None)
                wanted[first] = inner if value is None else {**inner, rest: value}
            elif first in given:
                wanted[first] = given[first]
            else:
                wanted.pop(first, None)
        if "autoscale" in mask and given.get("autoscale") and "num_workers" not in mask:
            wanted.pop("num_workers", None)
        if "num_workers" in mask and given.get("num_workers") is not None and "autoscale" not in mask:
            wanted.pop("autoscale", None)
        self._change(request, cluster, cluster_spec.checked(wanted, request.who.client))
        return Response(200, {})

    def _change(self, request: Request, cluster: Document, spec: JsonObject) -> None:
        """Replace the specification of a cluster; a running one is restarted with it."""
        if cluster["state"] not in {"RUNNING", "TERMINATED"}:
            raise _unexpected(cluster)
        before = _size(cluster)
        cluster["spec"] = {"cluster_name": cluster["spec"]["cluster_name"], **spec}
        self._put(cluster)
        self._record(
            cluster, "EDITED", user=request.who.client, previous_cluster_size=before, cluster_size=_size(cluster)
        )
        if cluster["state"] == "RUNNING":
            self._relaunch(request, cluster)

    def _pin(self, request: Request) -> Response:
        return self._set_pin(request, True)

    def _unpin(self, request: Request) -> Response:
        return self._set_pin(request, False)

    def _set_pin(self, request: Request, pinned: bool) -> Response:
        cluster = self._named(request)
        if cluster["pinned"] == pinned:
            return Response(200, {})  # "will have no effect" (databricks-sdk, `ClustersAPI.pin`)
        cluster["pinned"] = pinned
        self._put(cluster)
        self._record(cluster, "PINNED" if pinned else "UNPINNED", user=request.who.client)
        return Response(200, {})

    def _get(self, request: Request) -> Response:
        cluster = self._named(request)
        return Response(200, {**self._shown(cluster), "spec": cluster["spec"]})

    def _list_whole(self, request: Request) -> Response:
        found = [self._shown(each) for each in self.of(request.thing)]
        return Response(200, {"clusters": found} if found else {})

    def _list(self, request: Request) -> Response:
        """List by pages; each `filter_by` names one state or source (`repeated` has all of them)."""
        states, sources = request.repeated("filter_by.cluster_states"), request.repeated("filter_by.cluster_sources")
        pinned = request.query.get("filter_by.is_pinned", "").lower()
        policy = request.query.get("filter_by.policy_id", "")
        found = [
            each
            for each in self.of(request.thing)
            if (not states or each["state"] in states)
            and (not sources or _source(each) in sources)
            and (not pinned or each["pinned"] == (pinned == "true"))
            and (not policy or each["spec"].get("policy_id") == policy)
        ]
        if request.query.get("sort_by.field") == "CLUSTER_NAME":
            found.sort(key=_name, reverse=request.query.get("sort_by.direction", "DESC") == "DESC")
        elif request.query.get("sort_by.direction") == "ASC":
            found.reverse()
        try:
            size, start = int(request.query.get("page_size", _PAGE)), int(request.query.get("page_token") or 0)
        except ValueError as error:
            raise errors.invalid("page_size or page_token is invalid.") from error
        if not 1 <= size <= _MOST_CLUSTERS:
            raise errors.invalid(f"page_size must be between 1 and {_MOST_CLUSTERS}.")
        body: JsonObject = {}
        if found[start : start + size]:
            body["clusters"] = [self._shown(each) for each in found[start : start + size]]
        if start + size < len(found):
            body["next_page_token"] = str(start + size)
        if start:
            body["prev_page_token"] = str(max(0, start - size))
        return Response(200, body)

    def _shown(self, cluster: Document) -> JsonObject:
        """Return a cluster as the API shows it (fields as in Azure/azure-databricks-client, ClustersApiClientTest)."""
        spec = cluster["spec"]
        body: JsonObject = {
            **spec,
            "cluster_id": cluster["cluster_id"],
            "creator_user_name": cluster["creator"],
            "cluster_source": _source(cluster),
            "enable_elastic_disk": spec.get("enable_elastic_disk", True),
            "enable_local_disk_encryption": spec.get("enable_local_disk_encryption", False),
            "azure_attributes": {
                "first_on_demand": 1,
                "availability": "ON_DEMAND_AZURE",
                "spot_bid_max_price": -1.0,
                **(spec.get("azure_attributes") or {}),
            },
            "state": cluster["state"],
            "state_message": cluster["state_message"],
            "start_time": int(cluster["created"] * 1000),
            "last_state_loss_time": 0,
            "last_activity_time": int(cluster["last_activity"] * 1000),
            "default_tags": {
                "Vendor": "Databricks",
                "Creator": cluster["creator"],
                "ClusterName": spec["cluster_name"],
                "ClusterId": cluster["cluster_id"],
            },
        }
        if cluster["last_restarted"]:
            body["last_restarted_time"] = int(cluster["last_restarted"] * 1000)
        if cluster["state"] in {"RUNNING", "RESIZING"}:
            body |= self._machines(cluster)
        if cluster["state"] in {"TERMINATING", "TERMINATED"}:
            body["termination_reason"] = cluster["reason"]
        if cluster["state"] == "TERMINATED":
            body["terminated_time"] = int(cluster["terminated"] * 1000)
        return body

    def _machines(self, cluster: Document) -> JsonObject:
        """Return the machines of a running cluster."""
        spec, workers = cluster["spec"], _workers(cluster)
        driver, worker = SIZES[spec["driver_node_type_id"]], SIZES[spec["node_type_id"]]

        def node(number: int) -> JsonObject:
            return {
                "node_id": f"{cluster['node'][:-2]}{number:02x}",
                "instance_id": f"{cluster['node'][2:]}{number:02x}",
                "private_ip": f"10.139.0.{4 + number % 250}",
                "host_private_ip": f"10.139.64.{4 + number % 250}",
                "public_dns": "",
                "start_timestamp": int(cluster["started"] * 1000),
            }

        return {
            "driver": node(0),
            "executors": [node(number) for number in range(1, workers + 1)],
            "num_workers": workers,
            "cluster_cores": float(driver.cores + workers * worker.cores),
            "cluster_memory_mb": driver.memory_mb + workers * worker.memory_mb,
            "spark_context_id": int(cluster["node"][:15], 16),
            "jdbc_port": 10000,
        }

    def _list_events(self, request: Request) -> Response:
        cluster, body = self._named(request), request.json
        kinds, begin, end = body.get("event_types") or [], body.get("start_time") or 0, body.get("end_time")
        found = [
            {name: each[name] for name in ("cluster_id", "timestamp", "type", "details")}
            for each in self._events
            if each["workspace"] == request.thing
            and each["cluster_id"] == cluster["cluster_id"]
            and (not kinds or each["type"] in kinds)
            and each["timestamp"] >= begin
            and (not end or each["timestamp"] <= end)
        ]
        if body.get("order", "DESC") != "ASC":
            found.reverse()
        try:
            most = int(body.get("limit") or body.get("page_size") or _EVENTS)
            start = int(body.get("offset") or body.get("page_token") or 0)
        except (ValueError, TypeError) as error:
            raise errors.invalid("limit or offset is invalid.") from error
        if not 1 <= most <= 500:
            raise errors.invalid("limit must be between 1 and 500.")
        response: JsonObject = {"events": found[start : start + most], "total_count": len(found)}
        if start + most < len(found):
            response["next_page"] = {**body, "offset": start + most, "limit": most}
            response["next_page_token"] = str(start + most)
        return Response(200, response)

    def _versions(self, request: Request) -> Response:
        del request
        return Response(200, {"versions": [{"key": key, "name": name} for key, name in VERSIONS.items()]})

    def _node_types(self, request: Request) -> Response:
        self.of(request.thing)
        resource = address.resource_of(self._world, request.thing)
        if resource is None:
            raise LookupError(request.thing)  # the service has authenticated the caller
        return Response(
            200,
            {"node_types": [node_type(size, *quota.left(self._world, resource, size)) for size in SIZES.values()]},
        )

    def _zones(self, request: Request) -> Response:
        """Return the zones of the region: on Azure they are numbers, and none is the default."""
        del request
        return Response(200, {"zones": ["1", "2", "3"], "default_zone": "1"})


def _unexpected(cluster: Document) -> Exception:
    state = cluster["state"].capitalize()
    return errors.wrong_state(f"Cluster {cluster['cluster_id']} is in unexpected state {state}.")


def _created(cluster: Document) -> float:
    return float(cluster["created"])


def _name(cluster: Document) -> str:
    return str(cluster["spec"]["cluster_name"])


def _source(cluster: Document) -> str:
    """Return who created a cluster; earlier versions of the practice cloud did not record it."""
    return str(cluster.get("source", _BY_API))


def _workers(cluster: Document) -> int:
    """Return how many workers run: with autoscaling the minimum, since they never have any load."""
    spec = cluster["spec"]
    return int(spec["autoscale"]["min_workers"] if "autoscale" in spec else spec["num_workers"])


def _size(cluster: Document) -> JsonObject:
    spec = cluster["spec"]
    return {name: spec[name] for name in ("autoscale", "num_workers") if name in spec}
