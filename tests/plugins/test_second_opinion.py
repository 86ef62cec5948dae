from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from justtinker_core import Group, PluginError, Problem, Prompt, Rollout, Verdict
from justtinker_core.discovery import Found
from justtinker_core.options import configure
from justtinker_plugins.metrics import second_opinion
from justtinker_plugins.metrics.second_opinion import SecondOpinion


def opinion(**options: Any) -> SecondOpinion:
    return configure(SecondOpinion, "plugins.second_opinion", options)


def group(kind: str = "text", **rollouts: Any) -> Group:
    """Text -> the outcome that the paid verifier gave it."""
    responses = tuple(Rollout((), (), (), f"\\boxed{{{text}}}") for text in rollouts)
    verdicts = tuple(Verdict(outcome) for outcome in rollouts.values())
    return Group(1, 0, Problem("1", "?", "yes", kind), Prompt(), responses, verdicts)


def test_both_may_err_and_neither_counts_where_one_is_silent() -> None:
    found = opinion(verifier="exact").measure(group(yes="correct", Yes="correct", no="incorrect", maybe="unscored"))
    assert found == {"second_opinion": [1.0, 0.0, 0.0, 0.0], "disputed": [0.0, 1.0, 0.0, None]}


def test_it_takes_the_others_options_and_kinds() -> None:
    lenient = opinion(verifier="exact", options={"case_sensitive": False})
    assert lenient.measure(group(Yes="incorrect")) == {"second_opinion": [1.0], "disputed": [1.0]}
    assert lenient.measure(group("choice", A="correct")) is None


def test_a_gold_that_the_other_cannot_read_has_no_opinion() -> None:
    nothing = Group(1, 0, Problem("1", "?", ""), Prompt(), (Rollout((), (), (), "x"),), (Verdict("correct"),))
    assert opinion(verifier="exact").measure(nothing) == {"second_opinion": [None], "disputed": [None]}


def test_the_others_processes_end_with_the_run() -> None:
    watched = opinion()
    boxed = Rollout((), (), (), r"\boxed{\max(b, a)}")
    watched.measure(Group(1, 0, Problem("1", "?", r"\max(a, b)"), Prompt(), (boxed,), (Verdict("correct"),)))
    pool = watched._other.active["math_verify"].instance._pool
    watched.finish_run(run=None, status="finished")  # type: ignore[arg-type]
    assert pool._closed
    opinion(verifier="exact").finish_run(run=None, status="finished")  # type: ignore[arg-type]


OTHER = """
from justtinker_core import Verdict, hookimpl

class Other:
    @hookimpl
    def verify(self, rollouts, problem):
        return (Verdict("correct" if problem.answer in r.text else "incorrect") for r in rollouts)

    @hookimpl
    def finish_run(self, run, status):
        self.ended = status
"""


def test_the_other_is_asked_by_names_as_in_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.py").write_text(OTHER)
    other = Found("other", "local", f"{tmp_path / 'other.py'}:Other", "local file", "")
    monkeypatch.setattr(second_opinion, "find", lambda: {"other": other})
    asked = opinion(verifier="other")
    found = asked.measure(group(yes="correct", no="correct"))
    assert found == {"second_opinion": [1.0, 0.0], "disputed": [0.0, 1.0]}
    asked.finish_run(run=None, status="stopped")  # type: ignore[arg-type]
    assert asked._other.active["other"].instance.ended == "stopped"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"verifier": "exakt"}, r"no plugin called 'exakt'; did you mean 'exact'\?"),
        ({"verifier": "correct"}, r"\[plugins.second_opinion\] verifier = 'correct': it is one of the rewards"),
        ({"options": {"limi": 1}}, r"\[plugins.second_opinion.options\] has no option 'limi'; did you mean 'limit'\?"),
    ],
)
def test_bad_options(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(PluginError, match=complaint):
        opinion(**options)
