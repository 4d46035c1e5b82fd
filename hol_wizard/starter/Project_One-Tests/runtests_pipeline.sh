#!/bin/sh
# Tests the inference container in the pipeline, and pushes it to the registry if all tests have passed.
# Signed in by the task AzureCLI@2.
set -eu
cd "$(dirname "$0")"
python3 run_tests.py
exec python3 ../Project_One/push.py
