import subprocess
import sys

HEAVY = (
    "textual",
    "rich",
    "questionary",
    "yaml",
    "markdown_it",
    "azure",
    "msal",
    "aiohttp",
    "databricks",
    "platformdirs",
)


def test_loading_the_lab_loads_no_sdk_and_no_screen() -> None:
    code = (
        "import sys; from hol_wizard import config, paths; "
        "from hol_wizard.lab import choices, inputs, lint, loader, names, portal, select, text; loader.load(); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
