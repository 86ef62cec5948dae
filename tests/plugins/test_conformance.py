"""The bundled verifiers and reward terms pass the battery that authors are given; a new one is in it by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from justtinker_core.discovery import find
from justtinker_core.hookspecs import hooks_of
from justtinker_core.testing import Case, check_reward, check_verifier, make_group, make_problem

SUMS: Sequence[Case] = [
    ("4", "<think>2+2</think>\\boxed{4}", "correct"),
    ("4", "<think>2+2</think>\\boxed{5}", "incorrect"),
    ("4", "<think>2+2=4", "incorrect"),
    ("5", "\\boxed{5}", "correct"),
    ("", "\\boxed{5}", "unscored"),
]
NO_COMMA = '{"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}'
THREE_WORDS = (
    '{"instruction_id_list": ["length_constraints:number_words"], "kwargs": [{"num_words": 3, "relation": "at least"}]}'
)
CASES: Mapping[str, Sequence[Case]] = {
    "math_verify": [
        *SUMS,
        ("\\frac{1}{2}", "\\boxed{0.5}", "correct"),
        ("\\frac{1}{2}", "\\boxed{1} \\boxed{\\frac12}", "correct"),
        ("x^2-1", "\\boxed{(x-1)(x+1)}", "correct"),
        ("x^2-1", "\\boxed{(x-1)^2}", "incorrect"),
    ],
    "exact": [*SUMS, ("an even one", "\\boxed{an  even one.}", "correct"), ("1/2", "\\boxed{0.5}", "incorrect")],
    "numeric": [*SUMS, ("1/2", "\\boxed{50\\%}", "correct"), ("1/2", "\\boxed{about 0.5}", "incorrect")],
    "countdown": [
        (make_problem("?", gold, kind="countdown"), response, outcome)
        for gold, response, outcome in [
            ("8-5+3", "\\boxed{3+8-5}", "correct"),
            ("8-5+3", "\\boxed{6}", "incorrect"),
            ("2*3", "<think>2*3=6</think>\\boxed{3*2}", "correct"),
            ("six", "\\boxed{6}", "unscored"),
        ]
    ],  # type: ignore[dict-item]
    "verl_verifier": SUMS,
    "any_box": [*SUMS, ("4", "\\boxed{5} or \\boxed{4}", "correct")],
    "choice": [
        (make_problem("Which?", gold, kind="choice"), response, outcome)
        for gold, response, outcome in [
            ("B", "\\boxed{(B)}", "correct"),
            ("B", "\\boxed{A or B}", "incorrect"),
            ("A", "\\boxed{A}", "correct"),
            ("maybe", "\\boxed{A}", "unscored"),
        ]
    ],  # type: ignore[dict-item]
    "regex": [
        (make_problem("?", gold, kind="regex"), response, outcome)
        for gold, response, outcome in [
            ("[A-Z][a-z]+-\\d+", "\\boxed{Ab-12}", "correct"),
            ("[A-Z][a-z]+-\\d+", "\\boxed{Ab-12x}", "incorrect"),
            ("[A-Z][a-z]+-\\d+", "<think>\\boxed{Ab-12}", "incorrect"),
            ("(ab|c)*d", "\\boxed{ababcd}", "correct"),
            ("(ab", "\\boxed{ab}", "unscored"),
            (".*", "\\boxed{ab}", "unscored"),
        ]
    ],  # type: ignore[dict-item]
    "json_schema": [
        (make_problem("?", gold, kind="json_schema"), response, outcome)
        for gold, response, outcome in [
            ('{"type": "array", "items": {"type": "integer"}}', "<think>[]</think>[1, 2]", "correct"),
            ('{"type": "array", "items": {"type": "integer"}}', '```json\n[1, "2"]\n```', "incorrect"),
            ('{"required": ["a"], "type": "object"}', 'Here:\n```json\n{"a": 1}\n```\nDone.', "correct"),
            ('{"required": ["a"], "type": "object"}', '{"a": 1', "incorrect"),
            ('{"type": "arr"}', "[]", "unscored"),
        ]
    ],  # type: ignore[dict-item]
    "instructions": [
        (make_problem("?", gold, kind="instructions"), response, outcome)
        for gold, response, outcome in [
            (NO_COMMA, "<think>a, b</think>No sign at all.", "correct"),
            (NO_COMMA, "First, this.", "incorrect"),
            (THREE_WORDS, "One two three", "correct"),
            (THREE_WORDS, "One two", "incorrect"),
            ('{"instruction_id_list": ["made:up"]}', "One", "unscored"),
        ]
    ],  # type: ignore[dict-item]
}
"""Verifier -> what it is to say. A new one needs a line here."""
VERL = {"function": f"{Path(__file__).parent / 'verl_judge.py'}:compute_score", "data_source": "sums", "limit": 0.5}
TRL = f"{Path(__file__).parent / 'trl_rewards.py'}"
ELSEWHERE = {"code", "http_verifier", "llm_judge", "llm_rubric", "openenv", "reasoning_gym", "verifiers_env"}
"""These need a server, a sandbox or a package of their own; their own tests put them through the same battery."""
OPTIONS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "overlong": [{"max_tokens": 200}, {"max_tokens": 1, "only_correct": True}],
    "redundancy": [{}, {"method": "exact"}, {"method": "fast", "only_correct": False}],
    "format": [{}, {"only_correct": False, "min_thinking": 5}],
    "exact": [{}, {"pipeline": "flexible", "case_sensitive": False}],
    "numeric": [{}, {"pipeline": "flexible", "tolerance": 0.01}],
    "choice": [{}, {"pipeline": "flexible"}],
    "boxed": [{}, {"only_correct": True}],
    "verl_verifier": [VERL],
    "verl_reward": [VERL],
    "trl_reward": [{"function": f"{TRL}:short"}, {"function": f"{TRL}:best", "per_group": True, "isolated": False}],
}
"""Plugin -> options to try beside its defaults."""
SLOW = {"math_verify": pytest.mark.slow}  # the bombs end its workers, one after the other
FOUND = find()
VARIANTS = [
    pytest.param(name, options, id=f"{name} {options or ''}".strip(), marks=SLOW.get(name, ()))
    for name in FOUND
    for options in OPTIONS.get(name, [{}])
]


def having(hook: str) -> list[Any]:
    """Every plugin of this package with the hook, whatever its role."""
    ours = {name: found for name, found in FOUND.items() if found.package == "justtinker" and name not in ELSEWHERE}
    own = {name for name, found in ours.items() if hook in hooks_of(found.load())}
    return [param for param in VARIANTS if param.values[0] in own]


@pytest.mark.parametrize(("name", "options"), having("verify"))
def test_a_verifier(name: str, options: Mapping[str, Any]) -> None:
    assert name in CASES, f"give {name} cases in {__file__}"
    plugin = FOUND[name].load()(**options)
    check_verifier(plugin, CASES[name])
    if hasattr(plugin, "finish_run"):
        plugin.finish_run()


@pytest.mark.parametrize(("name", "options"), having("score"))
def test_a_reward(name: str, options: Mapping[str, Any]) -> None:
    reward = FOUND[name].load()(**options)
    if name == "redundancy":  # numba compiles at the first long text: on a busy machine, longer than a check waits
        reward.score(group=make_group(["so we add the two and get the next one, " * 2_000] * 2))
    check_reward(reward)
    if hasattr(reward, "finish_run"):
        reward.finish_run()
