#!/bin/sh
# Promotes the image that the build has tested to the registry of a stage, by its digest. Used by the release.
# Signed in by the task AzureCLI@2. The registry imports the image itself: nothing is built or downloaded here.
set -eu
image=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["image_location"])' "$ARTIFACTS/artifacts.json")
tag="$IMAGE_NAME:$STAGE-$BUILD"
echo "Tested: $image"
case "$image" in
  *@sha256:*) ;;
  *) echo "$image names no digest: the build has not pushed a tested image." >&2; exit 1 ;;
esac
az acr import --name "$ACR_NAME" --source "$image" --image "$tag" --force
digest=$(az acr repository show --name "$ACR_NAME" --image "$tag" --query digest --output tsv)
echo "Promoted: $tag with the digest $digest"
if [ "$digest" != "${image#*@}" ]; then
  echo "This is not the digest of the tested image." >&2
  exit 1
fi
