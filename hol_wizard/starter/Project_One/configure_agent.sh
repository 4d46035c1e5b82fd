#!/bin/sh
# Configures the pipeline's agent: prints versions, signs Docker in to the registry, imports the base image if needed.
# Signed in by the task AzureCLI@2.
set -eu
cd "$(dirname "$0")"
python3 --version
python3 -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed.")'
az version --output table
docker version
az acr login --name "$ACR_NAME"

# The base image is imported into the registry once, so that no build depends on Docker Hub and its rate limits. It
# stays the same until somebody imports a newer one: see "The base image" in the README.
base=$(sed -n 's/^ARG PYTHON_IMAGE=//p' dockerfile)
if az acr repository show --name "$ACR_NAME" --image "base/$base" --query digest --output tsv; then
  echo "The base image is in the registry, as base/$base."
else
  echo "Importing base/$base. The message above says that it is not there yet."
  az acr import --name "$ACR_NAME" --source "docker.io/library/$base" --image "base/$base"
fi
