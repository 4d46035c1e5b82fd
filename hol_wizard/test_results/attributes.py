"""Numbers in the attributes of test results; programs write what they like."""

from __future__ import annotations


def number_of(text: str | None) -> float | None:
    """Return an attribute's number, or None if it is missing or not a number, such as `nan` and `1,5`."""
    try:
        value = float((text or "").strip())
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def count_of(text: str | None) -> int | None:
    """Return an attribute's non-negative integer, or None if it is missing or not one."""
    plain = (text or "").strip()
    return int(plain) if plain.isascii() and plain.isdigit() and len(plain) <= 12 else None
