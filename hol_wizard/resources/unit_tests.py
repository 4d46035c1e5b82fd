"""What the tests in a Python file assert, read from its syntax tree: nothing of the file is run."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

MODEL_CLASS: Final = "MyModel"
"""The provider class of the starter's inference code."""
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_SKIPS: Final = frozenset({"skip", "xfail"})
_CHECKING_CALLS: Final = ("assert", "raises", "warns")
"""How the names of calls begin that check something: `assert_allclose`, `self.assertEqual`, `pytest.raises`."""


@dataclass(frozen=True, slots=True)
class UnitTest:
    """One test that pytest collects."""

    name: str
    """`test_scalers`, `TestModel.test_scalers`."""
    line: int
    """Of its `def`, from 1."""
    body: str
    """Its syntax tree in words, to compare it with another test's, whatever its name, comments and line breaks."""
    about: tuple[str, ...]
    """Attributes of the model that what it asserts depends on: `x_scaler`, `predict`; empty: on none."""
    asserts: bool
    """Whether it asserts anything."""
    is_skipped: bool
    """Whether it is marked to be skipped, or to be expected to fail."""

    @property
    def problem(self) -> str:
        """What keeps it from being a test of the model; empty: nothing."""
        if self.is_skipped:
            return "it is marked to be skipped"
        if not self.asserts:
            return "it asserts nothing"
        return "" if self.about else f"what it asserts does not depend on a {MODEL_CLASS}"


def read(source: str) -> list[UnitTest]:
    """Return the tests of a file, in their order: functions `test_*`, and such methods of classes `Test*`.

    Raises:
        SyntaxError: Python cannot read the file, or it is nested too deeply.
    """
    try:
        tree = ast.parse(source)
        fixtures, globals_ = _model_fixtures(tree), _model_variables(tree)
        return [_unit_test(name, function, fixtures, globals_) for name, function in _collected(tree)]
    except (ValueError, RecursionError, MemoryError) as error:
        # Bytes of zero, or brackets in brackets: Python's parser says so in other ways than by a SyntaxError.
        raise SyntaxError(str(error) or "it is nested too deeply") from error


def _collected(tree: ast.Module) -> Iterator[tuple[str, _Function]]:
    """Yield what pytest collects (docs.pytest.org, "Conventions for Python test discovery"); a later `def` wins."""
    found: dict[str, _Function] = {}
    for node in tree.body:
        if isinstance(node, _Function) and node.name.startswith("test"):
            found[node.name] = node
        elif isinstance(node, ast.ClassDef) and _is_collected(node):
            for member in node.body:
                if isinstance(member, _Function) and member.name.startswith("test"):
                    found[f"{node.name}.{member.name}"] = member
    yield from found.items()


def _is_collected(node: ast.ClassDef) -> bool:
    """Return whether pytest collects a class: `Test*` without `__init__`, or a `unittest.TestCase`."""
    if any(_name_of(base) == "TestCase" for base in node.bases):
        return True
    has_init = any(isinstance(member, _Function) and member.name == "__init__" for member in node.body)
    return node.name.startswith("Test") and not has_init


def _unit_test(name: str, function: _Function, fixtures: frozenset[str], globals_: frozenset[str]) -> UnitTest:
    arguments = [each.arg for each in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    models = _Models({each for each in arguments if each in fixtures} | (globals_ - set(arguments)))
    for statement in function.body:
        models.visit(statement)
    marks = {_decorator(each) for each in function.decorator_list}
    body = "\n".join(ast.dump(each) for each in function.body)
    return UnitTest(name, function.lineno, body, tuple(models.about), models.asserts, bool(marks & _SKIPS))


def _model_fixtures(tree: ast.Module) -> frozenset[str]:
    """Return the names of the fixtures that give a model."""
    functions = [node for node in tree.body if isinstance(node, _Function)]
    return frozenset(
        node.name
        for node in functions
        if any(_decorator(each) == "fixture" for each in node.decorator_list) and any(map(_makes_model, ast.walk(node)))
    )


def _model_variables(tree: ast.Module) -> frozenset[str]:
    """Return the variables of the file that hold a model."""
    made = [node for node in tree.body if isinstance(node, ast.Assign) and _makes_model(node.value)]
    return frozenset(each.id for node in made for each in node.targets if isinstance(each, ast.Name))


def _decorator(node: ast.expr) -> str:
    """Return the last part of a decorator's name, with or without arguments."""
    return _name_of(node.func if isinstance(node, ast.Call) else node)


def _makes_model(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _name_of(node.func) == MODEL_CLASS


def _name_of(node: ast.expr) -> str:
    """Return the last part of a dotted name; empty for what is none."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


class _Models(ast.NodeVisitor):
    """Follows a model, and what is computed from it, through a function.

    Every assignment counts, whatever its branch: too much is followed rather than too little.
    """

    def __init__(self, models: Iterable[str]) -> None:
        self.about: dict[str, None] = {}
        self.asserts = False
        self._models = set(models)
        self._from: dict[str, set[str]] = {}
        """Variables that were computed from a model, and from which attributes of it."""

    def visit_Assert(self, node: ast.Assert) -> None:
        """Note what is asserted; a constant says nothing."""
        if not isinstance(node.test, ast.Constant):
            self.asserts = True
            self._note(node.test)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """Note what a call such as `self.assertEqual` or `numpy.testing.assert_allclose` is given."""
        if _name_of(node.func).startswith(_CHECKING_CALLS):
            self.asserts = True
            for each in (*node.args, *(keyword.value for keyword in node.keywords)):
                self._note(each)
        self.generic_visit(node)

    def visit_With(self, node: ast.With) -> None:
        """Note what happens within `pytest.raises`."""
        checks = any(
            isinstance(item.context_expr, ast.Call) and _name_of(item.context_expr.func).startswith("raises")
            for item in node.items
        )
        self.generic_visit(node)
        if checks:
            for statement in node.body:
                self._note(statement)

    def visit_Assign(self, node: ast.Assign) -> None:
        """Follow a model, or something of it, into variables."""
        self._follow(node.value, node.targets)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Follow as for an assignment."""
        if node.value is not None:
            self._follow(node.value, [node.target])
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        """Follow as for an assignment."""
        self._follow(node.value, [node.target])
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        """Follow into the loop's variable."""
        self._follow(node.iter, [node.target])
        self.generic_visit(node)

    def _follow(self, value: ast.expr, targets: Iterable[ast.expr]) -> None:
        names = {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}
        if _makes_model(value) or (isinstance(value, ast.Name) and value.id in self._models):
            self._models |= names
        elif attributes := self._attributes(value):
            for name in names:
                self._from.setdefault(name, set()).update(attributes)

    def _note(self, node: ast.AST) -> None:
        self.about.update(dict.fromkeys(sorted(self._attributes(node))))

    def _attributes(self, node: ast.AST) -> set[str]:
        """Return which attributes of a model an expression is computed from."""
        found: set[str] = set()
        for each in ast.walk(node):
            if isinstance(each, ast.Attribute) and self._is_model(each.value):
                found.add(each.attr)
            elif isinstance(each, ast.Call) and _name_of(each.func) in {"getattr", "hasattr", "vars"}:
                if each.args and self._is_model(each.args[0]):
                    name = each.args[1].value if len(each.args) > 1 and isinstance(each.args[1], ast.Constant) else ""
                    found.add(str(name) or "its attributes")
            elif isinstance(each, ast.Name):
                found |= self._from.get(each.id, set())
        return found

    def _is_model(self, node: ast.expr) -> bool:
        is_self = isinstance(node, ast.Attribute) and node.attr == "model" and _name_of(node.value) == "self"
        return _makes_model(node) or is_self or (isinstance(node, ast.Name) and node.id in self._models)
