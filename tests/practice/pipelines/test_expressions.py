"""The expression language: tokens, arities, conversions, functions.

The tables are those of https://learn.microsoft.com/azure/devops/pipelines/process/expressions, and what the
engine's own tests and the pipelines of other interpreters of it say.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from hol_wizard.practice.pipelines.expressions import ExpressionError, StrictMapping, Version, evaluate, outcome
from hol_wizard.practice.pipelines.expressions.errors import ExpressionSyntaxError
from hol_wizard.practice.pipelines.expressions.functions import FUNCTIONS
from hol_wizard.practice.pipelines.expressions.nodes import MANY
from hol_wizard.practice.pipelines.expressions.places import JOB_CONDITION, STEP_CONDITION

CONTEXTS: dict[str, Any] = {
    "variables": {"isMain": "True", "x": "1", "my-secret": "s", "Build.Reason": "Manual", "empty": ""},
    "parameters": StrictMapping(
        list=["a", "B", {"name": "c", "n": 1}],
        object={"Key": "v", "other": {"name": "deep"}},
        yes=True,
        number=1.5,
    ),
    "pipeline": {"startTime": datetime(2026, 11, 28, 7, 5, 3, tzinfo=UTC)},
    "nothing": None,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'it''s'", "it's"),
        ("TRUE", True),
        ("-1.2", Decimal("-1.2")),
        (".5", Decimal("0.5")),
        ("1.2.3", Version((1, 2, 3))),
        ("1.2.3.4", Version((1, 2, 3, 4))),
        ("VARIABLES['my-secret']", "s"),
        ("variables['Build.Reason']", "Manual"),
        ("variables.missing", None),
        ("variables.missing.more", None),
        ("parameters.list[0]", "a"),
        ("parameters.list[1.9]", "B"),
        ("parameters.list[-1]", None),
        ("parameters.list[variables.none]", "a"),
        ("variables" + ".x" * 60, None),
        ("eq(1000, '1,000')", True),
        ("eq(.5, '0.5')", True),
        ("1.", 1),
        ("gt(1.10, 1.9)", False),
        ("gt(1.10.0, 1.9.0)", True),
        ("lt(1.2.0, '1.3')", True),
        ("eq(1.2.0, '1.2')", False),
        ("parameters.list['1']", "B"),
        ("parameters.list[7]", None),
        ("parameters.list['']", None),
        ("parameters.object.*.name", ["deep"]),
        ("parameters.object[ * ]['name']", ["deep"]),
        ("join('+', parameters.list)", "a+B+"),
        ("join('+', parameters.object.*)", "v+"),
        ("", None),
    ],
)
def test_literals_and_names(text: str, value: object) -> None:
    assert evaluate(text, CONTEXTS) == value


@pytest.mark.parametrize(
    ("text", "problem", "offset"),
    [
        ("3 + 4", "Unexpected symbol: '+'", 2),
        ("variables.x == '1'", "Unexpected symbol: '=='", 12),
        ("true && false", "Unexpected symbol: '&&'", 5),
        ("(true)", "Unexpected symbol: '('", 0),
        ('eq("a", 1)', "Unrecognized value: '\"a\"'", 3),
        ("variables.my-secret", "Unexpected symbol: 'my-secret'", 10),
        ("'open", "Unexpected symbol: ''open'", 0),
        ("null", "Unrecognized value: 'null'", 0),
        ("secrets.x", "Unrecognized value: 'secrets'", 0),
        ("substring('abc', 1)", "Unrecognized value: 'substring'", 0),
        ("eq", "Expected '(' to follow a function: 'eq'", 0),
        ("eq('a', 'b'", "Unclosed function: 'eq'", 0),
        ("eq(1,", "Unclosed function: 'eq'", 0),
        ("eq(1)", "Unexpected symbol: ')'", 4),
        ("eq(1, 2, 3)", "Unexpected symbol: ','", 7),
        ("parameters.list[]", "Unexpected symbol: ']'", 16),
        ("nosuchcontext 2", "Unexpected symbol: '2'", 14),
        ("nosuchfunc(1) 2", "Unexpected symbol: '2'", 14),
        ('"double" 2', "Unexpected symbol: '2'", 9),
        ("1e3 2", "Unrecognized value: '1e3'", 0),
        ("!true", "Unrecognized value: '!true'", 0),
        ("!eq(1, 1)", "Unrecognized value: '!eq'", 0),
        ("1 != 2", "Unexpected symbol: '!='", 2),
        ("+1", "Unrecognized value: '+1'", 0),
        ("parameters.9num", "Unexpected symbol: '9num'", 11),
        ("eq('a' 'b')", "Unexpected symbol: ''b''", 7),
        ("variables.", "Expected a property name to follow the dereference operator '.': '.'", 9),
        ("variables[0", "Unexpected end of expression", 11),
        ("variables..x", "Unexpected symbol: '.'", 10),
        ("1e3", "Unrecognized value: '1e3'", 0),
        ("1.2.3.4.5", "Unrecognized value: '1.2.3.4.5'", 0),
        ("not(" * 60 + "true" + ")" * 60, "Exceeded max expression depth 50", 200),
        ("'" + "x" * 21_000 + "'", "Exceeded max expression length 21000", 0),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(text: str, problem: str, offset: int) -> None:
    with pytest.raises(ExpressionSyntaxError) as refused:
        evaluate(text, CONTEXTS)

    assert str(refused.value).startswith(f"{problem}. Located at position {offset + 1} within expression: ")


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_each_function_refuses_too_few_and_too_many_arguments(name: str) -> None:
    function = FUNCTIONS[name]
    with pytest.raises(ExpressionSyntaxError, match=r"Unexpected symbol: '\)'"):
        evaluate(f"{name}({', '.join(['1'] * (function.low - 1))})", {})
    if function.high < MANY:
        with pytest.raises(ExpressionSyntaxError, match=r"Unexpected symbol: ','"):
            evaluate(f"{name}({', '.join(['1'] * (function.high + 1))})", {})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("and(true, 1, 'x')", True),
        ("and(true, '')", False),
        ("and(false, gt(1, 'a'))", False),
        ("or(true, gt(1, 'a'))", True),
        ("or(0, nothing)", False),
        ("xor(true, 'false')", False),
        ("xor(true, 0)", True),
        ("not('false')", False),
        ("not(variables.missing)", True),
        ("not(parameters.list)", False),
        ("not(1.2.3)", False),
        ("eq(variables.isMain, true)", True),
        ("eq(true, variables.isMain)", True),
        ("eq('${{ p }}', 'TRUE')", False),
        ("eq(parameters.yes, 'false')", True),
        ("eq('true', parameters.yes)", True),
        ("eq('1.0', 1)", False),
        ("eq(1, '1.0')", True),
        ("eq(1, '1,000')", False),
        ("eq(1000, '1,000')", True),
        ("eq(0, '')", True),
        ("eq(0, variables.missing)", True),
        ("eq(1, 'a')", False),
        ("eq(1, true)", True),
        ("eq(variables.missing, '')", True),
        ("eq(variables.missing, 0)", False),
        ("eq('', variables.missing)", True),
        ("eq('a', 'A')", True),
        ("eq('straße', 'STRASSE')", False),
        ("eq('a', parameters.list)", False),
        ("eq(parameters.list, parameters.list)", True),
        ("eq(parameters.list, parameters.object)", False),
        ("eq(1.2.3, '1.2.3')", True),
        ("eq(1.2.3, '1.2.3.0')", False),
        ("ne('a', 'b')", True),
        ("ge(1.2.3, '1.2')", True),
        ("lt(1.2.3, 1.10)", True),
        ("gt('b', 'A')", True),
        ("lt('a', 'B')", True),
        ("le(2, '10')", True),
        ("gt('2', 10)", True),
        ("gt(true, 0)", True),
        ("lt(variables.missing, 1)", True),
        ("in('b', 'A', 'B')", True),
        ("in('a', 'a', gt(1, 'a'))", True),
        ("notIn('b', 'A', 'c')", True),
        ("contains('ABC', 'bc')", True),
        ("contains(1234, 23)", True),
        ("containsValue(parameters.list, 'b')", True),
        ("containsValue(parameters.object, 'V')", True),
        ("containsValue('text', 'text')", False),
        ("startsWith('refs/heads/main', 'REFS/')", True),
        ("endsWith('refs/heads/main', 'MAIN')", True),
        ("coalesce(variables.missing, '', 'x')", "x"),
        ("coalesce('a', parameters.nope)", "a"),
        ("coalesce(variables.missing, '')", None),
        ("coalesce(false, true)", False),
        ("format('{{{0}}} {1} {0}', 'a', 1.50)", "{a} 1.50 a"),
        ("format('{0:yyyyMMdd}', pipeline.startTime)", "20261128"),
        ("format('{0:yy-MM-dd HH:mm:ss}', pipeline.startTime)", "26-11-28 07:05:03"),
        ("format('{0}', variables.missing)", ""),
        ("join(',', 'text')", "text"),
        ("join(',', true)", "True"),
        ("length(split('a.b-c', '.-'))", Decimal(3)),
        ("split('a,,b', ',')[1]", ""),
        ("replace('aXbX', 'X', '')", "ab"),
        ("replace('abc', 'B', 'x')", "abc"),
        ("lower('ÄB')", "äb"),
        ("upper('äb')", "ÄB"),
        ("trim('  a ')", "a"),
        ("length('four')", Decimal(4)),
        ("length(parameters.object)", Decimal(2)),
        ("iif(true, 'yes', 'no')", "yes"),
        ("iif('', 'yes', 'no')", "no"),
        ("convertToJson(parameters.list[2])", '{\n  "name": "c",\n  "n": 1\n}'),
        ("lower(parameters.yes)", "true"),
        ("format('{0}', parameters.yes)", "True"),
    ],
)
def test_functions(text: str, value: object) -> None:
    assert evaluate(text, CONTEXTS) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("gt(1, 'a')", "Unable to convert from String to Number. Value: 'a'"),
        ("lt('a', parameters.list)", "Unable to convert from Array to String"),
        ("lt(parameters.object, 1)", "Unable to convert from Object to Number"),
        ("gt(1.2.3, 'x')", "Unable to convert from String to Version. Value: 'x'"),
        ("gt(1.2.3, 1)", "Unable to convert from Number to Version. Value: '1'"),
        ("lower(parameters.list)", "Unable to convert from Array to String. Value: Array"),
        ("contains(parameters.list, 'a')", "Unable to convert from Array to String. Value: Array"),
        ("format('{1}', 'a')", "references more arguments than were supplied"),
        ("format('{0', 'a')", "format string is invalid"),
        ("format('{0:yyyy}', 'a')", "The format specifiers 'yyyy' are not valid for objects of type 'String'"),
        ("format('{0:ddd}', pipeline.startTime)", "do not know the date format 'ddd'"),
        ("parameters.nope", "Key not found 'nope'"),
        ("iif(true, 'a', gt(1, 'a'))", "Unable to convert"),
        ("replace(format('{0}', 'aaaaaaaaaa'), 'a', replace('aaaa', 'a', parameters.nope))", "Key not found"),
    ],
)
def test_what_cannot_be_evaluated_says_why(text: str, problem: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        evaluate(text, CONTEXTS)

    assert problem in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "replace(variables.long, 'x', variables.long)",
        "join(variables.long, split(variables.long, 'x'))",
        "split(format('{0}{0}{0}', variables.long), 'x')",
        f"format('{'{0}' * 200}', variables.long)",
    ],
)
def test_a_result_that_is_too_large_is_refused_before_it_is_made(text: str) -> None:
    with pytest.raises(ExpressionError, match="Maximum object size exceeded"):
        evaluate(text, {"variables": {"long": "x" * 100_000}})


def test_an_expanded_expression_has_values_for_names_and_results_for_functions_that_are_not_logical() -> None:
    found = outcome(
        "and(not(lower('X')), eq(variables['Build.Reason'], 'PullRequest'), or(variables.x, variables.y))", CONTEXTS
    )

    assert found.result == "False"
    assert found.expanded == (
        "and(not('x'), eq(variables['Build.Reason'], 'PullRequest'), or(variables['x'], variables['y']))"
    )


def test_status_functions_take_names_in_a_jobs_condition_only() -> None:
    JOB_CONDITION.check("succeededOrFailed('A', 'B')")

    with pytest.raises(ExpressionSyntaxError, match=r"Unexpected symbol: ','"):
        STEP_CONDITION.check("succeededOrFailed('A', 'B')")
    with pytest.raises(ExpressionSyntaxError, match="Unrecognized value: 'parameters'"):
        JOB_CONDITION.check("eq(parameters.x, 1)")
