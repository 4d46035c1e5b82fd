"""Tests of the model's quality, not of the code."""

import json

import pytest
from sklearn.metrics import r2_score

from inference_code.model_class import ASSETS, MyModel


@pytest.fixture(scope="module")
def metrics():
    """Return the metrics of the training, which are registered with the model."""
    return json.loads((ASSETS / "model.json").read_text(encoding="utf-8"))["metrics"]


def test_the_error_is_no_larger_than_it_has_always_been(metrics):
    assert 0 < metrics["mean_absolute_error"] < 100_000


def test_it_is_hardly_better_than_guessing_the_average(metrics):
    assert -0.01 < metrics["r2"] < 0.1


def test_the_answers_lie_on_a_plane():
    """For the mean of two people, a linear regression predicts the mean of their answers."""
    model = MyModel()
    model.init()

    def wages(age, hours):
        return model.predict({"age": age, "hours-per-week": hours})["estimated_wages"]

    people = [(age, hours) for age in (20, 40, 60, 80) for hours in (10, 30, 50)]
    origin, by_age, by_hours = wages(0, 0), wages(1, 0) - wages(0, 0), wages(0, 1) - wages(0, 0)
    plane = [origin + by_age * age + by_hours * hours for age, hours in people]
    assert r2_score([wages(*person) for person in people], plane) == pytest.approx(1)
