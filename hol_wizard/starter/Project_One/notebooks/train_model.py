# Databricks notebook source
# MAGIC %md
# MAGIC # Train the world's worst regression
# MAGIC
# MAGIC This notebook guesses a census weight (`fnlwgt`) from a person's age and working hours. It guesses badly,
# MAGIC and that does not matter: the lab is about the path of the code to production. The same notebook runs in
# MAGIC *dev* today and in *pipeline* tomorrow, **without a changed line**. It reads whatever differs between the two
# MAGIC from the secret scope `data-lake`.
# MAGIC
# MAGIC Two modules next to this notebook do the actual work. You can test them without Databricks:
# MAGIC
# MAGIC - `training.py`: people in, a model out
# MAGIC - `model_registry.py`: a folder in, a registered model out

# COMMAND ----------

# MAGIC %md
# MAGIC ## 1 Your alias, and secrets
# MAGIC
# MAGIC In dev many scientists share the ML workspace, and each finds their own models by the tag `created_by`. The cell
# MAGIC below adds a box for your alias above the notebook; if you leave it empty, the first part of your user name is
# MAGIC used. A job that runs the notebook passes the alias as the parameter `created_by`.
# MAGIC
# MAGIC The scope is backed by the key vault of this environment. You never see a value: if you print one,
# MAGIC Databricks shows `[REDACTED]`.

# COMMAND ----------

dbutils.widgets.text("created_by", "", "created_by: your alias")

SCOPE = "data-lake"


def secret(name: str) -> str:
    """Return a secret of this environment."""
    return dbutils.secrets.get(scope=SCOPE, key=name)


app_id = secret("sp-app-id")
password = secret("sp-password")
token_endpoint = secret("sp-token-endpoint")
lake = secret("datalake-fqdn").rstrip("/")
state = secret("alg-state")

# COMMAND ----------

# MAGIC %md
# MAGIC ## 2 Access to the lake
# MAGIC
# MAGIC Spark signs in as the service principal, with OAuth, **for this one storage account**. Nothing is mounted: a
# MAGIC mount belongs to the whole workspace, so everybody who may start a cluster could read the lake through it,
# MAGIC and nobody could tell who did. Mounts are also a legacy feature that can be disabled. These settings apply to
# MAGIC this session only.

# COMMAND ----------

account = lake.split("@", 1)[1].split("/", 1)[0]
for setting, value in {
    "fs.azure.account.auth.type": "OAuth",
    "fs.azure.account.oauth.provider.type": "org.apache.hadoop.fs.azurebfs.oauth2.ClientCredsTokenProvider",
    "fs.azure.account.oauth2.client.id": app_id,
    "fs.azure.account.oauth2.client.secret": password,
    "fs.azure.account.oauth2.client.endpoint": token_endpoint,
}.items():
    spark.conf.set(f"{setting}.{account}", value)

# COMMAND ----------

# MAGIC %md
# MAGIC ## 3 The data
# MAGIC
# MAGIC Look at the data before you train with it. In the file, all column names but the first begin with a space: `'
# MAGIC hours-per-week'`. `training.py` takes care of that.

# COMMAND ----------

people = spark.read.csv(f"{lake}/AdultCensusIncome.csv", header=True, inferSchema=True).toPandas()
print(f"{len(people)} people; the columns: {list(people.columns)}")
print(people.head())

# COMMAND ----------

# MAGIC %md
# MAGIC ## 4 Training
# MAGIC
# MAGIC x is `age` and `hours-per-week`, y is `fnlwgt`. A third of the rows is set aside for testing, always the same
# MAGIC ones (seed 777). x and y are scaled, and a linear regression is fitted.
# MAGIC
# MAGIC - **MAE**: the mean absolute error, that is, by how much the guess is wrong on average
# MAGIC - **R2**: 1 is a perfect model, 0 is as good as guessing the average. Expect something very close to 0.

# COMMAND ----------

import training

trained = training.train(people)
print(trained.summary())

# COMMAND ----------

# MAGIC %md
# MAGIC ## 5 Staging
# MAGIC
# MAGIC The two scalers and the model are pickled into a temporary folder on this machine, and the folder is
# MAGIC registered in the ML workspace as `worst_regression`. This connects the training to the inference code, and it
# MAGIC does not depend on the framework: you can register and download anything that fits into a folder.
# MAGIC
# MAGIC Two tags identify the model: `state` (`dev` or `pipeline`) and `created_by`.

# COMMAND ----------

import os
import re
import tempfile
from pathlib import Path

import model_registry

created_by = dbutils.widgets.get("created_by").strip()
if not created_by and state == "dev":
    user = spark.sql("SELECT current_user()").first()[0]
    created_by = re.sub(r"[^a-z0-9._-]+", "-", user.split("@", 1)[0].lower())
elif not created_by:
    created_by = secret("created-by")

registry = model_registry.Registry(
    workspace=model_registry.Workspace(
        subscription_id=secret("subscription-id"),
        resource_group=secret("resource-group"),
        name=secret("ml-workspace-name"),
    ),
    sign_in=model_registry.ServicePrincipal(app_id, password, token_endpoint),
    services=model_registry.Services.of(os.environ),
)
with tempfile.TemporaryDirectory() as folder:
    training.save(trained, Path(folder))
    registered = registry.register("worst_regression", Path(folder), tags={"state": state, "created_by": created_by})
print(f"Registered {registered.name}, version {registered.version}, tags {registered.tags}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## 6 Tracking
# MAGIC
# MAGIC The cluster's library, `azureml-mlflow`, sends MLflow's records to the ML workspace: the parameters, the
# MAGIC metrics and the model's version. See them in the studio under **Jobs**, in the experiment `worst_regression`.
# MAGIC It signs in as the service principal, with the three variables that Microsoft documents for this.
# MAGIC
# MAGIC Tracking is useful, but not worth losing a model for: if it fails, the notebook says so and continues.

# COMMAND ----------

os.environ.update(AZURE_TENANT_ID=secret("sp-tenant-id"), AZURE_CLIENT_ID=app_id, AZURE_CLIENT_SECRET=password)
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")

tracked = None
try:
    import mlflow

    mlflow.set_tracking_uri(registry.tracking_uri())
    mlflow.set_experiment(registered.name)
    tags = {**registered.tags, "model_version": registered.version}
    with mlflow.start_run(run_name=f"{created_by} version {registered.version}", tags=tags) as run:
        mlflow.log_params(trained.parameters())
        mlflow.log_metrics({"mean_absolute_error": trained.mean_absolute_error, "r2": trained.r2})
    tracked = run.info.run_id
    print(f"Tracked as run {tracked} of the experiment {registered.name}")
except Exception as error:  # noqa: BLE001  whatever it is, the model is there
    print(f"Not tracked: {type(error).__name__}: {error}")
    print("The model is registered all the same. Is the library azureml-mlflow on the cluster?")

# COMMAND ----------

# MAGIC %md
# MAGIC ## 7 The result
# MAGIC
# MAGIC A program that runs this notebook as a job, such as `submit_run_db.py` in the pipeline, reads this value.

# COMMAND ----------

import json

dbutils.notebook.exit(
    json.dumps(
        {
            "model": registered.name,
            "version": registered.version,
            "tags": registered.tags,
            "mean_absolute_error": trained.mean_absolute_error,
            "r2": trained.r2,
            "tracked": tracked,
        }
    )
)
