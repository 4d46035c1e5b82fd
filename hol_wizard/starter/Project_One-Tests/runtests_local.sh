#!/bin/sh
# Tests the inference container on this machine. run_tests.py does all the work.
cd "$(dirname "$0")" || exit 1
if command -v python3 >/dev/null 2>&1; then python=python3; else python=python; fi
exec "$python" run_tests.py "$@"
