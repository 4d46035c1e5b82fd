"""From JSON to numbers and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

INPUTS = ("age", "hours-per-week")
"""What the model looks at, in the order in which it was trained. Whatever else is told of a person is not used."""


def transform_input(person: Mapping[str, Any]) -> list[list[float]]:
    """Return one row for the model.

    Raises:
        ValueError: Something the model looks at is missing, or is no number.
    """
    if not isinstance(person, Mapping):
        raise ValueError('A person is a JSON object, such as {"age": 37, "hours-per-week": 40.0}.')
    row = []
    for name in INPUTS:
        if name not in person:
            raise ValueError(f"The input has no {name!r}.")
        value = person[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError(f"{name!r} must be a number, and is {value!r}.")
        row.append(float(value))
    return [row]


def transform_output(prediction: Any) -> dict[str, float]:
    """Return the answer from what the model gave for one row."""
    return {"estimated_wages": float(prediction[0][0])}
