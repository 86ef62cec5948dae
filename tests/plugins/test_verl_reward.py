from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import PluginError
from justtinker_core.options import configure
from justtinker_core.testing import make_group
from justtinker_plugins.rewards.verl_reward import VerlReward

JUDGE = Path(__file__).parent / "verl_judge.py"


class Made(list[VerlReward]):
    def __call__(self, function: str = "tell", **options: Any) -> VerlReward:
        given = {"function": f"{JUDGE}:{function}", "data_source": "sums", "limit": 0.3, "workers": 1, **options}
        self.append(configure(VerlReward, "plugins.verl_reward", given))
        return self[-1]


@pytest.fixture
def make() -> Iterator[Made]:
    made = Made()
    yield made
    for plugin in made:
        plugin.finish_run()


def test_the_number_is_the_raw_term(make: Made) -> None:
    group = make_group(["", "a", "aa", "aaaa"])
    assert make(scale=0.25).score(group) == {"verl_reward": [0.0, 0.25, 0.5, 1.0]}
    assert make(scale=-0.5, clip=True, term="brevity").score(group) == {"brevity": [0.0, -0.5, -1.0, -1.0]}
    assert make(key="acc").score(group) == {"verl_reward": [1.0] * 4}


def test_a_number_outside_is_an_error_that_says_the_ways_out(make: Made) -> None:
    with pytest.raises(PluginError) as error:
        make(scale=0.5).score(make_group(["aaa"]))
    assert str(error.value).endswith(
        "verl_judge.py:tell gave 3 x scale 0.5, but rewards lie in [-1, 1]: set `scale` so that the largest fits, or "
        "`clip = true` to cut off what is outside"
    )


def test_where_the_function_gives_no_number_the_term_does_not_apply(
    make: Made, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "justtinker"):
        assert make("compute_score").score(make_group(["raise", r"\boxed{2}", "none"])) == {
            "verl_reward": [None, 1.0, None]
        }
    assert [record.getMessage() for record in caplog.records] == [
        "verl_reward: a response gets no number: verl_judge.py:compute_score failed (error): RuntimeError: boom. "
        "Said once."
    ]
