"""Writes a document that a program generates, or checks that it is up to date."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def write(page: Path, text: str, command: str, arguments: Sequence[str]) -> int:
    """Write the page, or with `--check` only compare it, and return the exit code.

    Args:
        page: The document.
        text: What it must contain.
        command: The command that writes it.
        arguments: The words of the command line.
    """
    if "--check" in arguments:
        if page.is_file() and page.read_text(encoding="utf-8") == text:
            return 0
        sys.stderr.write(f"{page.name} is out of date. To write it again: {command}\n")
        return 1
    page.write_text(text, encoding="utf-8", newline="\n")
    return 0
