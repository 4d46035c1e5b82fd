"""The errors of expressions."""

from __future__ import annotations

HELP = "https://go.microsoft.com/fwlink/?linkid=842996"


class ExpressionError(Exception):
    """An expression is not valid, or cannot be evaluated."""


class ExpressionSyntaxError(ExpressionError):
    """An expression is not valid, regardless of its values."""

    def __init__(self, problem: str, text: str, offset: int) -> None:
        shown = text if len(text) <= 200 else text[:200] + "…"
        where = f"Located at position {offset + 1} within expression: '{shown}'"
        super().__init__(f"{problem}. {where}. For more help, refer to {HELP}")
