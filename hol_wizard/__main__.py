"""`python -m hol_wizard`."""

from __future__ import annotations

import sys

from hol_wizard.cli import main

if __name__ == "__main__":
    sys.exit(main())
