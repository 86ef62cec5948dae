"""Options: a plugin's fields, strictly validated; errors name table, key, what was found and the nearest name."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from justtinker_core import PluginError, plugin
from justtinker_core.errors import nearest
from justtinker_core.options import configure, dump


@plugin
class Inner:
    a: int
    b: float = 0.5


@plugin
class Options:
    """Options of every type."""

    count: int
    """How many."""
    rate: Annotated[float, Field(ge=0, le=1)] = 0.5
    mode: Literal["on", "off"] = "on"
    name: str | None = None
    names: tuple[str, ...] = ()
    flag: bool = False
    path: Path | None = None
    inner: Inner | None = None
    table: dict[str, float] = Field(default_factory=dict)

    def __post_init__(self) -> None:
        self.double = 2 * self.count


COMPLAINTS: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({}, "[t] needs a value for 'count'"),
    "unknown": ({"coutn": 3}, "[t] has no option 'coutn'; did you mean 'count'?"),
    "unknown, far from all": (
        {"qqq": 3},
        "[t] has no option 'qqq'; known: count, flag, inner, mode, name, names, path, rate, table",
    ),
    "two unknown": (
        {"coutn": 3, "rat": 1},
        "[t] has no option 'coutn'; did you mean 'count'?\n[t] has no option 'rat'; did you mean 'rate'?",
    ),
    "text for a number": ({"count": "3"}, "[t] count = '3': input should be a valid integer"),
    "a fraction": ({"count": 3.5}, "[t] count = 3.5: input should be a valid integer"),
    "a flag for a number": ({"count": True}, "[t] count = True: input should be a valid integer"),
    "a number for a flag": ({"count": 1, "flag": 1}, "[t] flag = 1: input should be a valid boolean"),
    "out of range": ({"count": 1, "rate": 1.5}, "[t] rate = 1.5: input should be less than or equal to 1"),
    "no choice": ({"count": 1, "mode": "offf"}, "[t] mode = 'offf': input should be 'on' or 'off'"),
    "a number for a text": (
        {"count": 1, "name": 3}, '[t] name = 3: input should be a valid string; write it in quotes: "3"'
    ),
    "in a list": (
        {"count": 1, "names": ["a", 2]},
        '[t] names.1 = 2: input should be a valid string; write it in quotes: "2"',
    ),
    "in a table": ({"count": 1, "table": {"x": "y"}}, "[t] table.x = 'y': input should be a valid number"),
    "nested": ({"count": 1, "inner": {"b": 1.0}}, "[t] needs a value for 'inner.a'"),
    "two": ({"count": "a", "rate": 2}, "[t] count = 'a': input should be a valid integer\n"
            "[t] rate = 2: input should be less than or equal to 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", COMPLAINTS)
def test_complaints_in_full(case: str) -> None:
    given_, text = COMPLAINTS[case]
    with pytest.raises(PluginError, match=f"^{re.escape(text)}$"):
        configure(Options, "t", given_)


def test_a_value_that_toml_has_and_options_have_not(tmp_path: Path) -> None:
    import datetime

    with pytest.raises(PluginError, match=r"^\[t\].*date"):
        configure(Options, "t", {"count": 1, "name": datetime.date(2026, 1, 1)})


def test_what_a_table_says_becomes_what_the_field_is() -> None:
    options = configure(
        Options, "t", {"count": 2, "rate": 1, "names": ["a"], "path": "x/y", "inner": {"a": 1}, "table": {"k": 1}}
    )
    assert (options.count, options.rate, options.names, options.path) == (2, 1.0, ("a",), Path("x/y"))
    assert options.inner is not None
    assert (options.inner.a, options.inner.b) == (1, 0.5)
    assert options.table == {"k": 1.0}


def test_post_init_runs_after_validation() -> None:
    assert configure(Options, "t", {"count": 2}).double == 4


@given(
    st.fixed_dictionaries(
        {"count": st.integers(-(2**62), 2**62), "rate": st.floats(0, 1)},
        optional={
            "mode": st.sampled_from(["on", "off"]), "name": st.text(), "names": st.lists(st.text()),
            "flag": st.booleans(), "path": st.just("a/b"), "inner": st.fixed_dictionaries({"a": st.integers(0, 9)}),
            "table": st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)),
        },
    )
)  # fmt: skip
def test_a_dump_configures_the_same_again(options: dict[str, Any]) -> None:
    table = dump(configure(Options, "t", options))
    assert dump(configure(Options, "t", table)) == table
    assert {k: table[k] for k in options if k != "inner"} == {k: v for k, v in options.items() if k != "inner"}
    assert None not in table.values()


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_infinity_survives_a_dump(value: float) -> None:
    @plugin
    class Limit:
        most: float = 1.0

    assert dump(configure(Limit, "t", {"most": value})) == {"most": value}


def test_fields_that_are_no_options() -> None:
    class Plain:
        pass

    assert dump(Plain()) == {}


def test_nearest() -> None:
    assert nearest("trian", ["train", "eval"]) == "; did you mean 'train'?"
    assert nearest("zz", ["b", "a"]) == "; known: a, b"
    assert nearest("zz", []) == "; there are none"


def test_a_plugin_may_say_what_its_options_are_called_by_others() -> None:
    @plugin
    class Table:
        other_names: ClassVar = {"question": "problem"}
        problem: str = ""
        questions: str = ""

    with pytest.raises(PluginError, match=r"^\[t\] has no option 'question'; did you mean 'problem'\?$"):
        configure(Table, "t", {"question": "q"}, other_names=Table.other_names)
    assert dump(configure(Table, "t", {})) == {"problem": "", "questions": ""}


def test_options_without_the_decorator_are_an_error() -> None:
    class Plain:
        size: int = 3

    with pytest.raises(PluginError) as error:
        configure(Plain, "plugins.plain", {"size": 4})
    assert str(error.value) == "[plugins.plain] Plain declares options but is not a dataclass: decorate it with @plugin"
