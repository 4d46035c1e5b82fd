"""A generated stand-in for the lab's data file, for machines without internet access. It contains no real people.

It has the columns, the number of rows and roughly the distributions of the real file, so that a model that is trained
on it behaves similarly: married people are older, longer education pays, and `fnlwgt`, which the lab predicts, hardly
depends on anything. The tables below are shares and quantiles of the real data; they contain no row of it. The result
is identical everywhere: it uses only `random.Random.random`, whose sequence Python guarantees, and portable arithmetic.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

_SEED = 1994

_BANDS = (20, 25, 30, 40, 50, 60)
"""Ages at which a new group begins; the tables by age have one line for each group."""

_AGE = (17, 19, 22, 24, 26, 28, 30, 31, 33, 35, 37, 39, 41, 43, 45, 48, 50, 54, 58, 63, 90)
_WEIGHT = (
    *(12285, 39460, 65716, 91711, 106648, 117827, 130856, 145409, 158662, 169496, 178356),
    *(187720, 196338, 206359, 219632, 237051, 259873, 289405, 329054, 379682, 540000),
)
"""`fnlwgt`: how many people a row represents."""
_HOURS = (
    (2, 12, 16, 20, 20, 25, 30, 35, 40, 40, 60),
    (4, 20, 25, 30, 38, 40, 40, 40, 40, 48, 80),
    (5, 30, 40, 40, 40, 40, 40, 40, 48, 52, 90),
    (5, 35, 40, 40, 40, 40, 40, 45, 50, 60, 99),
    (5, 35, 40, 40, 40, 40, 40, 45, 50, 60, 99),
    (4, 35, 40, 40, 40, 40, 40, 45, 50, 56, 99),
    (2, 10, 20, 25, 35, 40, 40, 40, 40, 50, 90),
)

_MARITAL = (
    "Married-civ-spouse",
    "Never-married",
    "Divorced",
    "Separated",
    "Widowed",
    "Married-spouse-absent",
    "Married-AF-spouse",
)
_MARITAL_BY_AGE = (
    (14, 973, 4, 4, 1, 2, 1),
    (114, 838, 21, 17, 1, 8, 1),
    (333, 549, 72, 29, 2, 13, 1),
    (523, 258, 157, 42, 7, 13, 1),
    (587, 116, 218, 41, 20, 18, 1),
    (637, 70, 188, 31, 60, 14, 0),
    (604, 57, 117, 17, 193, 11, 0),
)
_MEN = {
    "Married-civ-spouse": 0.889,
    "Never-married": 0.554,
    "Divorced": 0.399,
    "Separated": 0.384,
    "Widowed": 0.169,
    "Married-spouse-absent": 0.510,
    "Married-AF-spouse": 0.391,
}
_RELATIONSHIP = ("Not-in-family", "Own-child", "Unmarried", "Other-relative")
_RELATIONSHIP_UNMARRIED = (
    (107, 813, 15, 66),
    (322, 562, 57, 59),
    (532, 311, 91, 66),
    (613, 208, 136, 43),
    (679, 146, 137, 38),
    (731, 101, 110, 58),
    (763, 46, 92, 99),
)
"""For those who never married, by age."""
_RELATIONSHIP_AFTER = {"Male": (675, 95, 185, 45), "Female": (430, 57, 480, 33)}
"""For those who were married."""

_EDUCATION = (
    *("Preschool", "1st-4th", "5th-6th", "7th-8th", "9th", "10th", "11th", "12th", "HS-grad", "Some-college"),
    *("Assoc-voc", "Assoc-acdm", "Bachelors", "Masters", "Prof-school", "Doctorate"),
)
"""In the order of `education-num`, which counts from 1."""
_EDUCATION_BY_AGE = (
    (1, 2, 4, 10, 24, 116, 236, 76, 257, 270, 2, 1, 1, 0, 0, 0),
    (2, 3, 9, 10, 13, 20, 29, 15, 305, 401, 34, 33, 121, 5, 0, 0),
    (1, 4, 11, 11, 13, 26, 27, 11, 329, 208, 49, 39, 220, 35, 11, 4),
    (1, 4, 7, 11, 14, 20, 26, 10, 341, 200, 54, 41, 192, 51, 19, 11),
    (1, 4, 9, 17, 12, 17, 19, 7, 303, 205, 49, 37, 187, 86, 28, 18),
    (2, 10, 14, 31, 19, 36, 25, 10, 344, 179, 32, 25, 145, 81, 22, 24),
    (3, 12, 21, 72, 30, 40, 33, 9, 337, 161, 33, 15, 126, 54, 27, 26),
)
_STUDIES = (8, 9, 12, 13)
"""Highest `education-num` of each group but the last; the tables by education have one line for each group."""

_OCCUPATION = (
    *("Prof-specialty", "Craft-repair", "Exec-managerial", "Adm-clerical", "Sales", "Other-service"),
    *("Machine-op-inspct", "?", "Transport-moving", "Handlers-cleaners", "Farming-fishing", "Tech-support"),
    *("Protective-serv", "Priv-house-serv"),
)
_OCCUPATION_BY_STUDIES = {
    "Female": (
        (16, 26, 21, 83, 145, 331, 131, 138, 8, 29, 13, 7, 5, 49),
        (29, 30, 78, 286, 124, 214, 80, 73, 15, 26, 6, 17, 6, 14),
        (91, 19, 109, 312, 123, 146, 24, 87, 7, 9, 6, 52, 9, 6),
        (358, 9, 205, 165, 101, 49, 9, 41, 1, 2, 2, 46, 9, 3),
        (668, 4, 179, 45, 36, 18, 4, 28, 0, 0, 0, 15, 0, 1),
    ),
    "Male": (
        (12, 222, 27, 23, 55, 136, 109, 85, 115, 118, 82, 4, 10, 1),
        (19, 256, 76, 56, 91, 78, 106, 40, 109, 73, 54, 14, 27, 0),
        (67, 194, 128, 80, 133, 71, 53, 50, 54, 48, 36, 46, 42, 0),
        (245, 57, 278, 64, 173, 27, 15, 28, 16, 12, 20, 41, 23, 1),
        (571, 14, 240, 25, 67, 6, 4, 31, 7, 3, 8, 18, 8, 0),
    ),
}
_WORKCLASS = ("Private", "Self-emp-not-inc", "Local-gov", "State-gov", "Self-emp-inc", "Federal-gov", "Without-pay")
_WORKCLASS_BY_STUDIES = (
    (754, 72, 36, 14, 16, 6, 1),
    (741, 82, 48, 26, 27, 25, 1),
    (701, 68, 58, 42, 31, 36, 0),
    (663, 75, 89, 50, 51, 40, 0),
    (491, 112, 147, 107, 72, 41, 0),
)

_COUNTRY = (
    ("United-States", 29170),
    ("Mexico", 643),
    ("?", 583),
    ("Philippines", 198),
    ("Germany", 137),
    ("Canada", 121),
    ("Puerto-Rico", 114),
    ("El-Salvador", 106),
    ("India", 100),
    ("Cuba", 95),
    ("England", 90),
    ("Jamaica", 81),
    ("South", 80),
    ("China", 75),
    ("Italy", 73),
    ("Dominican-Republic", 70),
    ("Vietnam", 67),
    ("Guatemala", 64),
    ("Japan", 62),
    ("Poland", 60),
    ("Columbia", 59),
    ("Taiwan", 51),
    ("Haiti", 44),
    ("Iran", 43),
    ("Portugal", 37),
)
_RACE = ("White", "Black", "Asian-Pac-Islander", "Amer-Indian-Eskimo", "Other")
_RACE_OF_NATIVES, _RACE_OF_IMMIGRANTS = (878, 97, 10, 10, 4), (647, 86, 220, 4, 42)

_RICH_MARRIED = (
    (100, 49, 69, 88, 155, 158, 119),
    (20, 45, 151, 295, 378, 430, 245),
    (30, 87, 262, 409, 537, 574, 392),
    (90, 135, 529, 685, 722, 715, 564),
    (100, 150, 492, 771, 859, 838, 688),
)
_RICH_ALONE = (
    (1, 10, 4, 26, 26, 43, 24),
    (0, 4, 16, 29, 42, 76, 57),
    (0, 7, 28, 58, 89, 99, 79),
    (0, 18, 67, 172, 241, 271, 235),
    (0, 0, 90, 354, 376, 444, 282),
)
"""How many of a thousand people earn more than 50,000 dollars, by education (lines) and age."""

_GAIN_RICH = ((15024, 347), (7688, 284), (7298, 246), (99999, 159), (5178, 97), (3103, 90), (4386, 58), (8614, 55))
_GAIN_POOR = ((5013, 69), (3325, 53), (2174, 48), (4064, 42), (4650, 41), (3137, 37), (594, 34), (3908, 32))
_LOSS_RICH = ((1902, 189), (1977, 168), (1887, 159), (1848, 51), (2415, 49), (1485, 31), (1564, 25))
_LOSS_POOR = ((1602, 47), (1740, 42), (1590, 40), (1876, 39), (1672, 34), (1741, 24), (1669, 24), (2001, 24))


class _Choice:
    """Words with their shares."""

    def __init__(self, words: Sequence[str], shares: Sequence[int]) -> None:
        self._words = words
        self._sums = tuple(accumulate(shares))

    def at(self, chance: float) -> str:
        return self._words[bisect_right(self._sums, int(chance * self._sums[-1]))]


def _choices(words: Sequence[str], table: Sequence[Sequence[int]]) -> tuple[_Choice, ...]:
    return tuple(_Choice(words, shares) for shares in table)


def _pairs(pairs: Sequence[tuple[str | int, int]]) -> _Choice:
    return _Choice([str(word) for word, _ in pairs], [share for _, share in pairs])


def _between(quantiles: Sequence[int], chance: float) -> int:
    """Return the value at this point of a distribution that is given by equidistant quantiles."""
    place = chance * (len(quantiles) - 1)
    index = int(place)
    low, high = quantiles[index], quantiles[index + 1]
    return low + int((high - low) * (place - index))


def generate(header: bytes, rows: int) -> bytes:
    """Return the file.

    Args:
        header: Its first line, including the line ending.
        rows: Number of rows; there is no line ending after the last one, as in the real file.
    """
    chance = random.Random(_SEED).random  # noqa: S311 nothing is kept secret by it
    marital_at = _choices(_MARITAL, _MARITAL_BY_AGE)
    alone_at = _choices(_RELATIONSHIP, _RELATIONSHIP_UNMARRIED)
    after = {sex: _Choice(_RELATIONSHIP, shares) for sex, shares in _RELATIONSHIP_AFTER.items()}
    education_at = _choices(_EDUCATION, _EDUCATION_BY_AGE)
    degree = {name: number for number, name in enumerate(_EDUCATION, start=1)}
    occupation_at = {sex: _choices(_OCCUPATION, table) for sex, table in _OCCUPATION_BY_STUDIES.items()}
    workclass_at = _choices(_WORKCLASS, _WORKCLASS_BY_STUDIES)
    countries = _pairs(_COUNTRY)
    natives, immigrants = _Choice(_RACE, _RACE_OF_NATIVES), _Choice(_RACE, _RACE_OF_IMMIGRANTS)
    gains = {True: _pairs(_GAIN_RICH), False: _pairs(_GAIN_POOR)}
    losses = {True: _pairs(_LOSS_RICH), False: _pairs(_LOSS_POOR)}
    lines = []
    for _ in range(rows):
        age = _between(_AGE, chance())
        band = bisect_right(_BANDS, age)
        marital = marital_at[band].at(chance())
        sex = "Male" if chance() < _MEN[marital] else "Female"
        married = marital.startswith("Married-") and marital != "Married-spouse-absent"
        if married:
            relationship = "Husband" if sex == "Male" else "Wife"
        else:
            relationship = (alone_at[band] if marital == "Never-married" else after[sex]).at(chance())
        education = education_at[band].at(chance())
        number = degree[education]
        studies = bisect_right(_STUDIES, number - 1)
        occupation = occupation_at[sex][studies].at(chance())
        workclass = "?" if occupation == "?" else workclass_at[studies].at(chance())
        country = countries.at(chance())
        race = (natives if country == "United-States" else immigrants).at(chance())
        weight = int(_between(_WEIGHT, chance()) * (116 - age * 2 // 5) / 100)
        hours = _between(_HOURS[band], chance())
        rich = chance() * 1000 < (_RICH_MARRIED if married else _RICH_ALONE)[studies][band]
        gain = gains[rich].at(chance()) if chance() < (0.214 if rich else 0.042) else "0"
        loss = losses[rich].at(chance()) if gain == "0" and chance() < (0.125 if rich else 0.031) else "0"
        income = ">50K" if rich else "<=50K"
        lines.append(
            f"{age}, {workclass}, {weight}, {education}, {number}, {marital}, {occupation}, {relationship}, {race}, "
            f"{sex}, {gain}, {loss}, {hours}, {country}, {income}"
        )
    return header + "\n".join(lines).encode()
