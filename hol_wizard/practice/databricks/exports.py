"""Exports notebooks, files and folders of a workspace in the formats of `ExportFormat` (databricks-sdk)."""

from __future__ import annotations

import html
import io
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from hol_wizard.practice.databricks import errors
from hol_wizard.practice.kernel.service import JsonObject

FORMATS = ("SOURCE", "HTML", "JUPYTER", "DBC", "R_MARKDOWN", "AUTO")
"""Values of `format`; they are case-sensitive."""
_FIRST = "# Databricks notebook source"
_COMMAND = "# COMMAND ----------"
_MAGIC = "# MAGIC "
"""The format of a notebook as a Python file (learn.microsoft.com/azure/databricks, notebook-export-import)."""


@dataclass(frozen=True, slots=True)
class Exported:
    """An export."""

    name: str
    """The file name of a download."""
    content: bytes

    @property
    def file_type(self) -> str:
        """`file_type` of the response: `py`."""
        return PurePosixPath(self.name).suffix.removeprefix(".")


def notebook(name: str, source: bytes, wanted: str) -> Exported:
    """Return a notebook in a format.

    Raises:
        Refused: The format is not served: Databricks' own archive, and R Markdown, which Python notebooks do not have.
    """
    if wanted in {"SOURCE", "AUTO"}:
        return Exported(f"{name}.py", source)
    if wanted == "JUPYTER":
        return Exported(f"{name}.ipynb", _jupyter(source.decode("utf-8", "replace")))
    if wanted == "HTML":
        shown = html.escape(source.decode("utf-8", "replace"))
        head = f"<head><title>{html.escape(name)}</title></head>"
        page = f"<!DOCTYPE html>\n<html>{head}<body><pre>{shown}</pre></body></html>"
        return Exported(f"{name}.html", page.encode())
    raise errors.invalid(f"The practice cloud does not export a notebook in the format {wanted}.")


def file(name: str, content: bytes) -> Exported:
    """Return a file unchanged."""
    return Exported(name, content)


def archive(name: str, entries: Iterable[tuple[str, bytes]]) -> Exported:
    """Return a folder as a zip archive; the paths in it begin with the folder's name."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for path, content in entries:
            made.writestr(f"{name}{path}", content)
    return Exported(f"{name}.zip", packed.getvalue())


def _jupyter(source: str) -> bytes:
    cells: list[JsonObject] = []
    for part in source.removeprefix(_FIRST).split(_COMMAND):
        lines = [line.removeprefix(_MAGIC) if line.startswith(_MAGIC) else line for line in part.strip().splitlines()]
        if not lines:
            continue
        if lines[0].strip() == "%md":
            cells.append({"cell_type": "markdown", "metadata": {}, "source": _lines(lines[1:])})
        else:
            code: JsonObject = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
            cells.append({**code, "source": _lines(lines)})
    book = {
        "cells": cells,
        "metadata": {"language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 0,
    }
    return json.dumps(book, indent=1).encode()


def _lines(lines: list[str]) -> list[str]:
    return [f"{line}\n" for line in lines[:-1]] + lines[-1:]
