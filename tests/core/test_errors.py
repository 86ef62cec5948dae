from __future__ import annotations

import pytest

from justtinker_core.errors import PluginError, all_or_none


def failing(text: str) -> None:
    raise PluginError(text)


def test_results_or_every_complaint_once() -> None:
    assert all_or_none([lambda: 1, lambda: 2]) == [1, 2]
    calls = [
        "no sandbox",
        "[data.train] no sandbox\n[data.train] no gold",
        "no key\nno sandbox",
        "[data.eval.a] no sandbox",
    ]
    with pytest.raises(PluginError) as error:
        all_or_none([lambda: None, *(lambda text=text: failing(text) for text in calls)])
    assert str(error.value).splitlines() == ["no sandbox", "[data.train] no gold", "no key"]


def test_a_complaint_of_tables_only_names_each() -> None:
    with pytest.raises(PluginError) as error:
        all_or_none([lambda: failing("[data.train] no gold"), lambda: failing("[data.eval.a] no gold")])
    assert str(error.value).splitlines() == ["[data.train] no gold", "[data.eval.a] no gold"]
