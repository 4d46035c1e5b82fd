"""`report`: one file for a bug report, with what the wizard sees and nothing that identifies a person."""

from __future__ import annotations

import io
import json
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hol_wizard import defects
from hol_wizard.errors import UsageError
from hol_wizard.headless.checking import CheckOptions, look
from hol_wizard.headless.lists import prerequisites, prerequisites_value
from hol_wizard.headless.output import err, out
from hol_wizard.paths import Home, write_private
from hol_wizard.report import INTERRUPTED, json_text

if TYPE_CHECKING:
    from hol_wizard.wizard.facade import Wizard

_LOG_LINES: Final = 2000
_ADDRESS: Final = re.compile(r"[\w.+%#-]{1,128}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_IDENTIFIER: Final = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE)


class Pseudonyms:
    """Replaces e-mail addresses and GUIDs by names, the same one each time: `person-1`, `id-7`."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, text: str) -> str:
        """Return a text without secrets, e-mail addresses, GUIDs and the person's home folder."""
        text = defects.without_secrets(text)
        text = _ADDRESS.sub(lambda found: self._name("person", found[0]), text)
        return _IDENTIFIER.sub(lambda found: self._name("id", found[0]), text)

    def _name(self, kind: str, value: str) -> str:
        known = self._known.setdefault(value.lower(), "")
        if not known:
            number = sum(each.startswith(kind) for each in self._known.values()) + 1
            known = self._known[value.lower()] = f"{kind}-{number}"
        return known


def bundle(wizard: Wizard, home: Home, output: Path | None) -> int:
    """Check the prerequisites and the lab, write the file, and return the exit code: 0, or 130 after Ctrl-C.

    Args:
        wizard: The wizard.
        home: The wizard's folders.
        output: The file to write; None for a new one in the current folder.

    Raises:
        UsageError: The file exists, or cannot be written.
    """
    now = datetime.now(UTC)
    path = output or Path(f"hol-wizard-report-{now:%Y%m%d-%H%M%S}.zip")
    if path.exists():
        raise UsageError(f"{path} exists already, and is not replaced.", "Name another file: --output FILE")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {path.absolute().parent}.", "Name a file in an existing folder.")
    titles, events = wizard.doctor()
    found, code = prerequisites(events)
    parts = {
        "about.txt": "\n".join([*defects.about("report", now), f"cloud {wizard.cloud}", f"lab {wizard.lab.title}"]),
        "doctor.json": json.dumps(prerequisites_value(titles, found, code), indent=2),
    }
    if code != INTERRUPTED:
        report = look(wizard, wizard.targets((), None), CheckOptions())
        code = INTERRUPTED if report.cancelled else 0
        parts["results.json"] = json_text(report)
    parts["log.txt"] = "\n".join(defects.end_of_log(home.log_file, _LOG_LINES))
    names, packed = Pseudonyms(), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, names.of(text).encode("utf-8", "replace"))
    write_private(path.absolute(), packed.getvalue())
    err("It contains no secrets, e-mail addresses or IDs, but names of resources. Look through it before you send it.")
    out(str(path))
    return code
