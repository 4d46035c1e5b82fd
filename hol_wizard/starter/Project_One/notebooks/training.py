"""The training itself: people in, a model out.

Nothing in this module depends on Spark, Databricks or Azure, so you can run and test it anywhere. The notebook
`train_model` provides the data and registers the result.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import platform
from dataclasses import dataclass
from pathlib import Path

import pandas
import sklearn
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

X_COLUMNS = ["age", "hours-per-week"]
Y_COLUMN = "fnlwgt"
TEST_SHARE = 0.33
SEED = 777


class DataError(Exception):
    """The data is not what the training needs; the message says what is wrong."""


@dataclass(frozen=True)
class Trained:
    """The result of a training."""

    x_scaler: StandardScaler
    y_scaler: StandardScaler
    model: LinearRegression
    mean_absolute_error: float
    """In the unit of `fnlwgt`: the number of people that one row of the census represents."""
    r2: float
    rows: int
    """Number of rows, for training and testing together."""

    def parameters(self) -> dict[str, str | int | float]:
        """Return the parameters of the training, for tracking."""
        return {
            "x": ", ".join(X_COLUMNS),
            "y": Y_COLUMN,
            "rows": self.rows,
            "test_share": TEST_SHARE,
            "seed": SEED,
            "scikit_learn": sklearn.__version__,
        }

    def summary(self) -> str:
        """Return the metrics, one per line."""
        return f"Rows: {self.rows}\nMAE:  {self.mean_absolute_error:.2f}\nR2:   {self.r2:.6f}"


def numbers(people: pandas.DataFrame) -> pandas.DataFrame:
    """Return the columns that the training needs, as numbers.

    In the lab's file every column's name but the first begins with a space, and so does every value.

    Raises:
        DataError: A column is missing, a value is not a number, or there are too few rows.
    """
    named = people.rename(columns=lambda name: str(name).strip())
    wanted = [*X_COLUMNS, Y_COLUMN]
    missing = [name for name in wanted if name not in named.columns]
    if missing:
        raise DataError(f"The data has no column {', '.join(missing)}. It has: {', '.join(named.columns)}.")
    picked = named[wanted].apply(pandas.to_numeric, errors="coerce")
    wrong = int(picked.isna().any(axis="columns").sum())
    if wrong:
        raise DataError(f"In {wrong} of {len(picked)} rows {', '.join(wanted)} are not all numbers.")
    if len(picked) < 10:
        raise DataError(f"The data has {len(picked)} rows; that is too few to train and to test with.")
    return picked.astype(float)


def train(people: pandas.DataFrame) -> Trained:
    """Train on two thirds of the people, and test on the others.

    Raises:
        DataError: The data is not what the training needs.
    """
    data = numbers(people)
    x_train, x_test, y_train, y_test = train_test_split(
        data[X_COLUMNS].to_numpy(), data[[Y_COLUMN]].to_numpy(), test_size=TEST_SHARE, random_state=SEED
    )
    # The scalers see only the training data: the test data must be new to every part of the model.
    x_scaler = StandardScaler().fit(x_train)
    y_scaler = StandardScaler().fit(y_train)
    model = LinearRegression().fit(x_scaler.transform(x_train), y_scaler.transform(y_train))
    guessed = y_scaler.inverse_transform(model.predict(x_scaler.transform(x_test)))
    return Trained(
        x_scaler=x_scaler,
        y_scaler=y_scaler,
        model=model,
        mean_absolute_error=float(mean_absolute_error(y_test, guessed)),
        r2=float(r2_score(y_test, guessed)),
        rows=len(data),
    )


def save(trained: Trained, folder: Path) -> list[Path]:
    """Write the three pickles and `model.json`, which describes them, and return the files.

    The folder is registered as a whole. This works with every framework that can write files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name in ("x_scaler", "y_scaler", "model"):
        file = folder / f"{name}.pkl"
        file.write_bytes(pickle.dumps(getattr(trained, name)))
        files.append(file)
    about = {
        "files": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
        "metrics": {"mean_absolute_error": trained.mean_absolute_error, "r2": trained.r2, "rows": trained.rows},
        "python": platform.python_version(),
        "scikit_learn": sklearn.__version__,
    }
    note = folder / "model.json"
    note.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return [*files, note]
