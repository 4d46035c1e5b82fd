"""From JSON to numbers and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

INPUTS = ("age", "hours-per-week")
"""The model's inputs, in the order in which it was trained. Other data about a person is not used."""


def transform_input(person: Mapping[str, Any]) -> list[list[float]]:
    """Return one row for the model.

    Raises:
        ValueError: An input of the model is missing, or is not a number.
    """
    if not isinstance(person, Mapping):
        raise ValueError('A person is a JSON object, such as {"age": 37, "hours-per-week": 40.0}.')
    row = []
    for name in INPUTS:
        if name not in person:
            raise ValueError(f"The input has no {name!r}.")
        row.append(_number(name, person[name]))
    return [row]


def _number(name: str, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name!r} must be a number, and is {str(value)[:80]}.")
    return number


def transform_output(prediction: Any) -> dict[str, float]:
    """Return the answer for the model's prediction for one row."""
    return {"estimated_wages": float(prediction[0][0])}
