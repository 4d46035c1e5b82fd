"""The provider: the whole inference in one class, which needs no web server."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inference_code.utility import transform_input, transform_output

ASSETS = Path(__file__).resolve().parent.parent / "assets"
"""Where the build puts the files of the registered model."""


class MyModel:
    """The trained model and its scalers."""

    def __init__(self, assets: Path = ASSETS) -> None:
        self.assets = assets
        self.x_scaler: Any = None
        self.y_scaler: Any = None
        self.model: Any = None

    def init(self) -> None:
        """Load the three pickles. This is done once, because it takes longer than answering a request.

        Raises:
            FileNotFoundError: The model's files are not in `assets`: the build has not downloaded them.
        """
        self.x_scaler = self._load("x_scaler")
        self.y_scaler = self._load("y_scaler")
        self.model = self._load("model")

    def predict(self, package: str | bytes | Mapping[str, Any]) -> dict[str, float]:
        """Return the answer for one person.

        Args:
            package: The person, as JSON or already read:
                `{"age": 37, "hours-per-week": 40.0, "sex": "Female", "occupation": "Exec-managerial"}`.

        Raises:
            ValueError: The model cannot answer for this; the message says why.
        """
        try:
            person = json.loads(package) if isinstance(package, (str, bytes)) else package
            row = transform_input(person)
        except RecursionError as error:
            raise ValueError("The JSON is nested too deeply.") from error
        scaled = self.x_scaler.transform(row)
        return transform_output(self.y_scaler.inverse_transform(self.model.predict(scaled)))

    def _load(self, name: str) -> Any:
        # Unpickling runs code. These files come from our own registry, and the build has compared their digests.
        with (self.assets / f"{name}.pkl").open("rb") as file:
            return pickle.load(file)
