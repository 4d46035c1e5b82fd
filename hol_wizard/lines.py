"""Text as lines that are safe for a terminal and a file: without control characters, which a terminal executes."""

from __future__ import annotations


def clean(text: str) -> str:
    """Return the text without control characters: a service's text may contain any, and a terminal executes them."""
    return "".join(
        letter if letter in "\n\t" or (letter.isprintable() or letter == "\u00a0") else "�" for letter in text
    )


def one_line(text: str) -> str:
    """Return the text as one line, without control characters."""
    return clean(" ".join(text.split()))


def duration(seconds: float) -> str:
    """Return a duration in words: `40 s`, `3 min`."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
