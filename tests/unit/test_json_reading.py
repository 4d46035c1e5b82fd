"""JSON that comes from outside: text that is nested too deeply is no JSON, and no defect of the wizard."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import hol_wizard

ROOT = Path(hol_wizard.__file__).parent
ELSEWHERE = {"practice", "starter", "_screens"}
"""Folders of programs of their own."""
CALLER_EXPECTS_IT = {"services/machine_learning.py"}
"""Modules in which the caller of the function that reads expects it."""


def expects_deep_json(block: ast.Try) -> bool:
    caught = [
        name.id for each in block.handlers if each.type for name in ast.walk(each.type) if isinstance(name, ast.Name)
    ]
    return "RecursionError" in caught


def unguarded_readers(tree: ast.Module) -> Iterator[int]:
    """Yield the lines that read JSON outside of a `try` that expects a RecursionError."""
    guarded = {
        inner
        for block in ast.walk(tree)
        if isinstance(block, ast.Try) and expects_deep_json(block)
        for part in block.body
        for inner in ast.walk(part)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"json.loads", "json.load"} and node not in guarded:
            yield node.lineno


def test_whoever_reads_json_expects_that_it_is_nested_too_deeply() -> None:
    readers = 0
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name.partition("/")[0] in ELSEWHERE or name in CALLER_EXPECTS_IT:
            continue
        text = path.read_text(encoding="utf-8")
        readers += text.count("json.loads(")
        found += [f"{name}:{line}" for line in unguarded_readers(ast.parse(text))]
    assert readers > 10
    assert found == []
