from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from pkgutil import walk_packages

SERVICES = Path(__file__).resolve().parents[3] / "hol_wizard" / "services"
HEAVY = (
    "azure",
    "msal",
    "msrest",
    "requests",
    "urllib3",
    "keyring",
    "git",
    "gitdb",
    "databricks",
    "knack",
    "textual",
    "rich",
)


def test_no_service_loads_an_sdk_before_it_is_used() -> None:
    modules = [each.name for each in walk_packages([str(SERVICES)], "hol_wizard.services.")]
    program = f"import sys, {', '.join(modules)}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {"hol_wizard.services.rest", "hol_wizard.services.git.remote"} <= {*modules}
    assert not set(loaded) & set(HEAVY)


def test_who_is_signed_in_is_told_without_an_sdk(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from dataclasses import replace\n"
        "from hol_wizard.services.context import Services\n"
        "from tests.unit.services.places import CLOUD\n"
        "from pathlib import Path\n"
        f"print(Services(replace(CLOUD, azure_config_dir=Path({str(tmp_path)!r}))).identity.account())\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    account, loaded = done.stdout.splitlines()
    assert account == "None"
    assert not set(loaded.split()) & set(HEAVY)
    assert not list(tmp_path.iterdir())
