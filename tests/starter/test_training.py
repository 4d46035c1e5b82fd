from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from tests.starter.conftest import DATA, HEADER, Import


def test_the_real_data_give_the_world_s_worst_regression(starter: Import) -> None:
    if not DATA.exists():
        pytest.skip("the lab's data file is not here")
    import pandas

    trained = starter("training").train(pandas.read_csv(DATA))
    assert trained.rows == 32561
    assert trained.mean_absolute_error == pytest.approx(77980.97, abs=0.01)
    assert trained.r2 == pytest.approx(0.004987, abs=1e-6)


def test_the_stand_in_behaves_alike(starter: Import, stand_in: Any) -> None:
    trained = starter("training").train(stand_in)
    assert trained.mean_absolute_error == pytest.approx(78341.59, abs=0.01)
    assert trained.r2 == pytest.approx(0.00757, abs=1e-6)
    assert trained.summary().splitlines()[2] == "R2:   0.007570"


def test_a_training_is_the_same_every_time(starter: Import, stand_in: Any) -> None:
    training = starter("training")
    first, second = training.train(stand_in), training.train(stand_in)
    assert pickle.dumps(first.model) == pickle.dumps(second.model)
    assert first.r2 == second.r2


def test_spark_may_give_the_columns_as_text_with_spaces(starter: Import, stand_in: Any) -> None:
    training = starter("training")
    texts = stand_in.astype(str).map(lambda text: f" {text}")
    assert training.train(texts).r2 == training.train(stand_in).r2


def test_columns_without_leading_spaces_do_too(starter: Import, stand_in: Any) -> None:
    training = starter("training")
    assert " hours-per-week" in stand_in.columns
    stripped = stand_in.rename(columns=str.strip)
    assert training.train(stripped).r2 == training.train(stand_in).r2


def test_a_missing_column_is_named(starter: Import, stand_in: Any) -> None:
    training = starter("training")
    with pytest.raises(training.DataError, match="no column hours-per-week"):
        training.train(stand_in.drop(columns=" hours-per-week"))


def test_what_is_no_number_is_counted(starter: Import, stand_in: Any) -> None:
    training = starter("training")
    broken = stand_in.astype({"age": object})
    broken.loc[[3, 5], "age"] = "?"
    with pytest.raises(training.DataError, match="In 2 of 32561 rows"):
        training.train(broken)


def test_too_few_rows_are_refused(starter: Import, stand_in: Any) -> None:
    training = starter("training")
    with pytest.raises(training.DataError, match="5 rows"):
        training.train(stand_in.head(5))


def test_a_folder_holds_three_pickles_and_what_they_are(starter: Import, assets: Path) -> None:
    assert sorted(file.name for file in assets.iterdir()) == ["model.json", "model.pkl", "x_scaler.pkl", "y_scaler.pkl"]
    about = starter("model_registry").check_digests(assets)
    assert set(about["files"]) == {"model.pkl", "x_scaler.pkl", "y_scaler.pkl"}
    assert about["metrics"]["rows"] == 32561
    assert about == json.loads((assets / "model.json").read_text(encoding="utf-8"))


def test_a_changed_pickle_is_not_used(starter: Import, assets: Path) -> None:
    registry = starter("model_registry")
    (assets / "model.pkl").write_bytes(b"cos\nsystem\n")
    with pytest.raises(registry.RegistryError, match="not the file that was registered"):
        registry.check_digests(assets)


def test_the_header_of_these_tests_is_the_lab_s() -> None:
    if not DATA.exists():
        pytest.skip("the lab's data file is not here")
    with DATA.open("rb") as file:
        assert file.readline() == HEADER
