#!/bin/sh
# Starts the promoted image and asks it for a prediction. Used by the release. Signed in by the task AzureCLI@2.
set -eu
cd "$(dirname "$0")"
server=$(az acr show --name "$ACR_NAME" --query loginServer --output tsv)
digest=$(az acr repository show --name "$ACR_NAME" --image "$IMAGE_NAME:$STAGE-$BUILD" --query digest --output tsv)
az acr login --name "$ACR_NAME"
docker pull --quiet "$server/$IMAGE_NAME@$digest"
docker run --rm --interactive --network none "$server/$IMAGE_NAME@$digest" python - < smoketest.py
