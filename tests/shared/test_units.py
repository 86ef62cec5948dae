from __future__ import annotations

import pytest

from justtinker_plugins.shared.latex.units import is_unit, measure, with_words_as_text


@pytest.mark.parametrize(
    "text",
    [
        "cm",
        " cm ",
        "square inches",
        "inches",
        "m/s",
        "km/h",
        "ways",
        "dollars",
        "kg",
        "GHz",
        "meV",
        "degrees",
        "",
        "miles per hour",
        "cm^2",
        "cm.",
        r"\mu m",
        "real roots",
        "lattice points",
        "tons",
    ],
)
def test_units(text: str) -> None:
    assert is_unit(text)


@pytest.mark.parametrize(
    "text",
    [
        "is wrong",
        "hundred",
        "dozen",
        "or 13",
        "times 2",
        "5",
        ".5",
        "squared",
        "not cm",
        "cm or 13 cm",
        "million",
        "half",
        "²",
        "?",
        "per",
        "negative",
        "quarters",
        "square",
    ],
)
def test_other_words_are_not_units(text: str) -> None:
    assert not is_unit(text)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("inches^2", "square inches", True),
        ("in²", "sq inches", True),
        ("centimeters", "cm", True),
        ("cm", "m", False),
        ("cm^2", "cm^3", False),
        ("cm^2", "cm", False),
        ("mW", "MW", False),
        ("ways", "students", True),
        ("dollars", "cents", False),
        ("miles per hour", "mph", True),
        ("km/h", "kph", True),
        ("hours per mile", "mph", False),
        ("miles", "mph", False),
    ],
)
def test_measures(one: str, other: str, same: bool) -> None:
    assert (measure(one) == measure(other)) == same


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ("7 apples", r"7\text{ apples}"),
        ("$7$ apples", r"7\text{ apples}"),
        (r"$\frac12$ square inches", r"\frac12\text{ square inches}"),
        ("-3.5 degrees", r"-3.5\text{ degrees}"),
        *[(other, other) for other in ("7", "7 dozen", "7 xyz", "7 or 8", "$7$ or $8$", "x apples", "7 m", "")],
        ("7 apples and 8 pears", "7 apples and 8 pears"),
    ],
)
def test_units_behind_a_number_are_words(answer: str, read: str) -> None:
    assert with_words_as_text("?", "7", answer) == read
