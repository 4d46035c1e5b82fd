"""Tests of the provider class. They run inside the container: see runtests_local."""

from inference_code.model_class import MyModel

PERSON = {"age": 37, "hours-per-week": 40.0, "sex": "Female", "occupation": "Exec-managerial"}


def test_scalers_and_model_are_loaded_after_init():
    model = MyModel()
    model.init()
    assert model.x_scaler is not None
    assert model.y_scaler is not None
    assert model.model is not None


# Add at least one test of your own below. For example: does `predict(PERSON)` return a number?
