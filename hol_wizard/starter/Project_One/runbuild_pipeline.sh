#!/bin/sh
# Builds the inference container in the pipeline, on the registry's own copy of the base image, named by its digest.
# Signed in by the task AzureCLI@2. Nothing is pushed until the tests have passed.
set -eu
cd "$(dirname "$0")"
base=$(sed -n 's/^ARG PYTHON_IMAGE=//p' dockerfile)
server=$(az acr show --name "$ACR_NAME" --query loginServer --output tsv)
digest=$(az acr repository show --name "$ACR_NAME" --image "base/$base" --query digest --output tsv)
PYTHON_IMAGE="$server/base/${base%%:*}@$digest"
export PYTHON_IMAGE
exec python3 build.py
