"""Validates the specification of a cluster in a request: Clusters_create, _edit, _update.

All refusals have the code INVALID_PARAMETER_VALUE; only the text about node types, and those about missing fields, are
quoted from public issues (terraform-provider-databricks 220 and 2521), the others are unrecorded.
"""

from __future__ import annotations

from hol_wizard.practice.databricks import errors
from hol_wizard.practice.databricks.runtimes import SIZES, VERSIONS
from hol_wizard.practice.kernel.service import JsonObject

_MODES = (
    "DATA_SECURITY_MODE_AUTO",
    "DATA_SECURITY_MODE_STANDARD",
    "DATA_SECURITY_MODE_DEDICATED",
    "NONE",
    "SINGLE_USER",
    "USER_ISOLATION",
    "LEGACY_TABLE_ACL",
    "LEGACY_PASSTHROUGH",
    "LEGACY_SINGLE_USER",
    "LEGACY_SINGLE_USER_STANDARD",
)
DEDICATED = frozenset(
    {"DATA_SECURITY_MODE_DEDICATED", "SINGLE_USER", "LEGACY_SINGLE_USER", "LEGACY_SINGLE_USER_STANDARD"}
)
"""The access mode Dedicated, by its current name and its earlier ones (databricks-sdk, `DataSecurityMode`)."""
_FREE = (
    "cluster_name",
    "spark_conf",
    "spark_env_vars",
    "azure_attributes",
    "data_security_mode",
    "single_user_name",
    "runtime_engine",
    "kind",
    "is_single_node",
    "use_ml_runtime",
    "init_scripts",
    "enable_elastic_disk",
    "enable_local_disk_encryption",
    "ssh_public_keys",
    "workload_type",
    "cluster_log_conf",
)
"""These fields are copied unchanged."""
_SINGLE_NODE_CONF = {"spark.databricks.cluster.profile": "singleNode", "spark.master": "local[*]"}
_MOST_TAGS = 45


def checked(body: JsonObject, who: str, *, for_run: bool = False) -> JsonObject:
    """Return the specification in a body, with the values that the service adds.

    Args:
        body: The body of the request.
        who: The caller: a dedicated cluster that names no user is assigned to them (the vendor's own bundle templates
            name none, and their jobs run as the owner).
        for_run: Whether it is the `new_cluster` of a run. Such a cluster cannot stop automatically when idle
            (terraform-provider-databricks 3641): the text is unrecorded.

    Raises:
        Refused: A value is not allowed.
    """
    if for_run and body.get("autotermination_minutes"):
        raise errors.invalid("Cluster validation error: autotermination_minutes is not supported for job clusters.")
    version = _required(body, "spark_version")
    if version not in VERSIONS:
        raise errors.invalid(f"Invalid spark version {version}.")
    node_type = _node_type(_required(body, "node_type_id"))
    spec: JsonObject = {name: body[name] for name in _FREE if body.get(name) is not None}
    spec["spark_version"] = version
    spec["node_type_id"] = node_type
    spec["driver_node_type_id"] = _node_type(str(body.get("driver_node_type_id") or node_type))
    spec["custom_tags"] = _tags(body)
    spec["autotermination_minutes"] = _minutes(body)
    if body.get("data_security_mode") not in (None, *_MODES):
        raise errors.invalid(f"Invalid data security mode {body['data_security_mode']}.")
    if body.get("policy_id"):
        # The service would apply the policy's rules; accepting the field without them would be too lenient.
        raise errors.invalid("The practice cloud creates clusters without a policy (Unrestricted) only.")
    if body.get("kind") not in (None, "CLASSIC_PREVIEW"):
        raise errors.invalid(f"Invalid cluster kind {body['kind']}.")
    for name in ("is_single_node", "use_ml_runtime"):
        if body.get(name) is not None and not body.get("kind"):
            raise errors.invalid(f"The field {name} can only be used when kind = CLASSIC_PREVIEW.")
    if spec.get("data_security_mode") in DEDICATED and not spec.get("single_user_name"):
        spec["single_user_name"] = who
    _size(body, spec, for_run)
    return spec


def _required(body: JsonObject, name: str) -> str:
    value = body.get(name)
    if not value or not isinstance(value, str):
        raise errors.invalid(f"Missing required field '{name}'")
    return value


def _node_type(name: str) -> str:
    if name not in SIZES:
        raise errors.invalid(f"Node type {name} is not supported. Supported node types: {', '.join(SIZES)}")
    return name


def _tags(body: JsonObject) -> dict[str, str]:
    tags = body.get("custom_tags") or {}
    if not isinstance(tags, dict) or any(not isinstance(value, str) for value in tags.values()) or "" in tags:
        raise errors.invalid("custom_tags must be an object of strings.")
    if len(tags) > _MOST_TAGS:
        raise errors.invalid(f"Clusters can have at most {_MOST_TAGS} custom tags.")
    return dict(tags)


def _minutes(body: JsonObject) -> int:
    """Return the number of idle minutes after which the cluster stops; 0: never ("between 10 and 10000 minutes",
    Clusters API)."""
    minutes = body.get("autotermination_minutes")
    if minutes is None:
        return 0
    if not isinstance(minutes, int) or isinstance(minutes, bool) or (minutes and not 10 <= minutes <= 10000):
        raise errors.invalid(
            f"Cluster autotermination minutes {minutes} is invalid: it must be between 10 and 10000 minutes, or 0."
        )
    return minutes


def _size(body: JsonObject, spec: JsonObject, for_run: bool) -> None:
    """Set the number of workers in the specification, and the fields of a single-node cluster."""
    scale, workers = body.get("autoscale"), body.get("num_workers")
    if body.get("is_single_node"):
        if scale is not None or workers:
            raise errors.invalid("A single node cluster has no workers: set neither num_workers nor autoscale.")
        spec["num_workers"] = 0
        spec["spark_conf"] = {**_SINGLE_NODE_CONF, **(spec.get("spark_conf") or {})}
        spec["custom_tags"] = {**spec["custom_tags"], "ResourceClass": "SingleNode"}
        return
    if for_run and scale is None and workers is None:
        # terraform-provider-databricks issue 3632
        raise errors.invalid("Cluster validation error: Missing required field: settings.cluster_spec.new_cluster.size")
    if (scale is None) == (workers is None):
        raise errors.invalid("Exactly one of num_workers and autoscale must be set.")
    if workers is not None:
        if not isinstance(workers, int) or isinstance(workers, bool) or workers < 0:
            raise errors.invalid("num_workers must not be negative.")
        spec["num_workers"] = workers
        return
    given = [scale.get(name) for name in ("min_workers", "max_workers")] if isinstance(scale, dict) else []
    ends = [end for end in given if isinstance(end, int) and end >= 0]
    if len(ends) != 2 or ends[0] > ends[1]:
        raise errors.invalid("autoscale needs min_workers and max_workers, the second not below the first.")
    spec["autoscale"] = {"min_workers": ends[0], "max_workers": ends[1]}
