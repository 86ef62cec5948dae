from __future__ import annotations

import time

import pytest

from justtinker_plugins.shared.latex.units import is_unit, measure, same_measure


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
        "metros",
        "kilómetros por hora",
        "metros cuadrados",
        "个",
        "平方米",
        "千米每小时",
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
        "万",
        "双",
        "平方",
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
        ("metros cuadrados", "m^2", True),
        ("平方厘米", "cm^2", True),
        ("千米每小时", "km/h", True),
        ("克", "千克", False),
        ("degrees celsius", "fahrenheit", False),
    ],
)
def test_measures(one: str, other: str, same: bool) -> None:
    assert (measure(one) == measure(other)) == same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("pounds", "lb", True),
        ("sterling", "pounds", True),
        ("sterling", "lb", False),
        ("¥", "元", True),
        ("degrees", "celsius", True),
        ("degrees", "radians", False),
        ("cm", "m", False),
    ],
)
def test_measures_that_can_be_the_same(one: str, other: str, same: bool) -> None:
    assert same_measure(measure(one), measure(other)) == same_measure(measure(other), measure(one)) == same


@pytest.mark.parametrize("text", ["a" * 2000 + "!", "cm " * 700 + "!", "cm." * 700 + "5", "米" * 2000 + "!"])
def test_long_texts_take_no_time(text: str) -> None:
    started = time.thread_time()
    assert not is_unit(text)
    assert time.thread_time() - started < 20  # not a benchmark: backtracking takes longer than the universe is old
