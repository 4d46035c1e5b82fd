"""What a test asserts about the model, read from its syntax tree."""

from __future__ import annotations

from importlib.resources import files

import pytest

from hol_wizard.resources.unit_tests import read
from hol_wizard.resources.written_test import _BODY, TEST_FILE

ABOUT = {
    "an attribute": (
        "def test_a():\n    m = MyModel()\n    m.init()\n    assert m.x_scaler is not None",
        ("x_scaler",),
    ),
    "an answer": ("def test_a():\n    m = MyModel()\n    a = m.predict(P)['wages']\n    assert a > 0", ("predict",)),
    "through two variables": (
        "def test_a():\n    m = MyModel()\n    a = m.predict(P)\n    b = a['wages']\n    assert b == 1",
        ("predict",),
    ),
    "a fixture": (
        "@pytest.fixture\ndef model():\n    return MyModel()\ndef test_a(model):\n    assert model.y_scaler",
        ("y_scaler",),
    ),
    "a fixture with arguments": (
        "@pytest.fixture(scope='module')\ndef model():\n    m = MyModel()\n    yield m\n"
        "def test_a(model):\n    assert model.model",
        ("model",),
    ),
    "a model of the file": ("MODEL = MyModel()\ndef test_a():\n    assert MODEL.x_scaler", ("x_scaler",)),
    "raises": (
        "def test_a():\n    m = MyModel()\n    with pytest.raises(ValueError):\n        m.predict({})",
        ("predict",),
    ),
    "a method": (
        "class TestModel:\n    def test_a(self):\n        m = inference.MyModel()\n        assert m.x_scaler",
        ("x_scaler",),
    ),
    "unittest": (
        "class Model(unittest.TestCase):\n    def setUp(self):\n        self.model = MyModel()\n"
        "    def test_a(self):\n        self.assertIsNotNone(self.model.x_scaler)",
        ("x_scaler",),
    ),
    "numpy": (
        "def test_a():\n    m = MyModel()\n    np.testing.assert_allclose(m.x_scaler.mean_, [0], atol=1)",
        ("x_scaler",),
    ),
    "getattr": ("def test_a():\n    m = MyModel()\n    assert getattr(m, 'x_scaler')", ("x_scaler",)),
    "async": ("async def test_a():\n    m = MyModel()\n    assert m.x_scaler", ("x_scaler",)),
}


@pytest.mark.parametrize(("source", "about"), ABOUT.values(), ids=ABOUT)
def test_what_a_test_asserts_about_the_model_is_found(source: str, about: tuple[str, ...]) -> None:
    (found,) = read(source)
    assert (found.about, found.problem) == (about, "")


PROBLEMS = {
    "no assertion": ("def test_a():\n    MyModel().init()", "it asserts nothing"),
    "a constant": ("def test_a():\n    m = MyModel()\n    assert True", "it asserts nothing"),
    "another thing": ("def test_a():\n    m = MyModel()\n    assert 1 + 1 == 2", "does not depend on a MyModel"),
    "the object alone": ("def test_a():\n    m = MyModel()\n    assert m", "does not depend on a MyModel"),
    "skipped": (
        "@pytest.mark.skip(reason='later')\ndef test_a():\n    m = MyModel()\n    assert m.x_scaler",
        "it is marked to be skipped",
    ),
    "expected to fail": (
        "@pytest.mark.xfail\ndef test_a():\n    m = MyModel()\n    assert m.x_scaler",
        "it is marked to be skipped",
    ),
}


@pytest.mark.parametrize(("source", "problem"), PROBLEMS.values(), ids=PROBLEMS)
def test_why_a_test_is_none_of_the_model_is_told(source: str, problem: str) -> None:
    (found,) = read(source)
    assert problem in found.problem


UNCOLLECTED = {
    "another name": "def check_a():\n    assert MyModel().x_scaler",
    "within a function": "def outer():\n    def test_a():\n        assert MyModel().x_scaler",
    "a class with __init__": (
        "class TestA:\n    def __init__(self): ...\n    def test_a(self):\n        assert MyModel().x_scaler"
    ),
    "another class": "class Helper:\n    def test_a(self):\n        assert MyModel().x_scaler",
}


@pytest.mark.parametrize("source", UNCOLLECTED.values(), ids=UNCOLLECTED)
def test_what_pytest_does_not_collect_is_no_test(source: str) -> None:
    assert read(source) == []


def test_a_later_test_of_the_same_name_wins_as_in_python() -> None:
    (found,) = read("def test_a():\n    assert MyModel().x_scaler\ndef test_a():\n    pass")
    assert found.problem == "it asserts nothing"


@pytest.mark.parametrize("source", ["def test_a(:", "\0", "(" * 5000, "x = " + "-" * 100_000 + "1"])
def test_what_python_cannot_read_is_a_syntax_error(source: str) -> None:
    with pytest.raises(SyntaxError):
        read(source)


def test_the_starters_test_and_the_wizards_are_tests_of_the_model() -> None:
    given = read((files("hol_wizard") / "starter" / TEST_FILE).read_text(encoding="utf-8"))
    assert [each.problem for each in given] == [""]
    (written,) = read(_BODY)
    assert (written.problem, "x_scaler" in written.about) == ("", True)
