#!/bin/sh
# Builds the inference container in the pipeline and pushes it to the registry. Signed in by the task AzureCLI@2.
set -eu
cd "$(dirname "$0")"
if [ -n "${ACR_NAME:-}" ]; then az acr login --name "$ACR_NAME"; fi
exec python3 build.py --push
