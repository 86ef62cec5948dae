from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from tests.core.conftest import PLAYERS, Written, cli

CAST = ("ScriptedBackend", "Ask", "Judge", "Correct", "Mean", "Rl")


def complaints(output: str) -> list[str]:
    """The lines of an error."""
    return output[output.index("Error: ") + len("Error: ") :].splitlines()


def test_check_shows_plan_and_prompt_and_leaves_nothing_behind(written: Written, tmp_path: Path) -> None:
    config = written("a", *CAST)
    before = set(tmp_path.rglob("*"))
    result = cli("check", config)
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    assert "a: 2 steps of scripted\nstarts from the model as it is\n" in result.output
    digest = hashlib.sha256((tmp_path / "players.py").read_bytes()).hexdigest()[:12]
    assert ["my_correct", "1", "local", "file", digest] in lines
    assert ["data.train", "listed", "4", "4", "of", "4"] in lines
    assert (
        "The first prompt: 2 tokens; the response stops at '$', or after 8,192 tokens; "
        "the model's context has 10,000.\n0="
    ) in result.output
    assert "Nothing stands in the way of this run." in result.output
    left = {path for path in set(tmp_path.rglob("*")) - before if "__pycache__" not in path.parts}
    assert left == set()


@pytest.mark.parametrize(
    ("end", "line"),
    [
        ("<think>\\n", "\nThe prompt opens the thinking.\n"),
        ("<think>\\n\\n</think>\\n\\n", "\nThe prompt turns thinking off.\n"),
        ("=", ""),
    ],
)
def test_check_says_what_the_prompt_does_to_thinking(written: Written, end: str, line: str) -> None:
    config = written("a", "ScriptedBackend", "Opens", "Judge", "Correct", "Mean", "Rl")
    asks = "class Opens(Player):\n    @hookimpl\n    def build_prompt(self, problem):\n"
    Path("players.py").write_text(PLAYERS + asks + f"        return problem.question + '{end}'\n")
    output = cli("check", config).output
    assert (line or "0=") in output
    assert ("The prompt" in output) == bool(line)


@pytest.mark.parametrize(
    ("weight", "expected"),
    [("0.25", "0.25"), ("{from = 0.0, to = 0.5, steps = 2}", "0.25 to 0.5")],
)
def test_a_reward_is_shown_with_its_weight(written: Written, weight: str, expected: str) -> None:
    result = cli("check", written("a", *CAST, more=f"[plugins.my_correct]\nweight = {weight}\n"))
    assert f"my_correct          {expected} " in result.output, result.output


def test_a_reward_that_is_only_observed_weighs_nothing(written: Written) -> None:
    result = cli("check", written("a", *CAST, more="[plugins.my_correct]\nmode = 'observe'\n"))
    assert "my_correct          0 " in result.output, result.output


def test_only_options_that_are_not_the_default_are_shown(tmp_path: Path) -> None:
    result = cli("check", "quickstart-sft", "--set", "plugins.local.sample_batch=512")
    rows = [line.split() for line in result.output.splitlines()]
    assert ["local", "sample_batch", "=", "512"] in rows
    assert ["math_verify"] in rows
    assert max(map(len, result.output.partition("\nopening ")[0].splitlines())) <= 80


SILENT = """
class Silent(ScriptedBackend):
    def usd(self, tokens):
        return 0.001 * sum(tokens.values())
    @hookimpl
    def preflight(self):
        return ["no key"]
"""
ESTIMATED = """
class Rl(Rl):
    @hookimpl
    def expect_tokens(self, run, response):
        return {"prefill": 2 * len(run.prompt(run.train_problems[0]).tokens), "sampled": 6 * response}
"""


def test_the_estimate_is_shown_whatever_is_missing(written: Written, tmp_path: Path) -> None:
    held = '[data.eval.held]\nuse = "listed"\npath = "nowhere.json"\n'
    config = written("a", "Silent", "Ask", "Judge", "Correct", "Mean", "Rl", more=held)
    (tmp_path / "players.py").write_text(PLAYERS + SILENT + ESTIMATED)
    result = cli("check", config)
    assert result.exit_code == 1
    assert complaints(result.output) == ["no key"]
    words = " ".join(result.output.split())
    assert "a step 202 - 24.6k to 49.2k - 24.78 to 49.35 " in words, "2 prompts of 101, 6 responses"
    assert "Also assumed, as not all could be loaded: 4 characters a token, questions of 100 tokens" in words
    assert "100 problems in data.eval.held." in words
    assert re.search(r"in all +[\d.]+k ", result.output)


# Verifiers. The scripted one compares whole responses, and passes since golds are also tried bare.

BOXES = """
class Judge(Player):
    @hookimpl
    def verify(self, problem, rollouts):
        return [Verdict(*self.of(problem, r.text)) for r in rollouts]
    def of(self, problem, text):
        {of}
"""
REFUSED = (
    "[data.train] the verifier accepts none of the 4 golds tried; it calls that of problem '0' (1) incorrect "
    "(not in base 3): enable another verifier, or correct the golds; if a right answer may differ from the gold, give "
    "the problems a kind of their own (kind = 'NAME' in the data table)"
)


def judged(written: Written, tmp_path: Path, of: str, **changes: Any) -> list[str]:
    config = written("a", *CAST)
    (tmp_path / "players.py").write_text(PLAYERS + BOXES.format(of=of))
    rows = [{**row, **changes} for row in json.loads((tmp_path / "p.json").read_text())]
    (tmp_path / "p.json").write_text(json.dumps(rows))
    result = cli("check", config)
    return complaints(result.output) if result.exit_code else []


def test_a_gold_is_tried_in_every_usual_format(written: Written, tmp_path: Path) -> None:
    for text in ("<think>Checking.</think>\\\\boxed{1}", "1", "#### 1", "Answer: 1"):
        assert judged(written, tmp_path, f"return ['incorrect', 'correct'][text == '{text}'],") == []


def test_golds_that_are_all_refused_are_an_error(written: Written, tmp_path: Path) -> None:
    assert judged(written, tmp_path, "return 'incorrect', None, '', 'not in base 3'") == [REFUSED]


def test_golds_that_could_not_be_graded_are_not_to_blame(written: Written, tmp_path: Path) -> None:
    assert judged(written, tmp_path, "return 'unscored', None, '', 'the server is down'") == [
        "[data.train] the verifier could grade none of the 4 golds tried: the server is down"
    ]
    odd = "return ['incorrect', 'unscored'][problem.id == '0'], None, '', 'odd'"
    (said,) = judged(written, tmp_path, odd)
    assert "the verifier accepts none of the 4 golds tried; it calls that of problem '0' (1) unscored (odd)" in said


def test_one_gold_in_four_is_enough(written: Written, tmp_path: Path) -> None:
    assert judged(written, tmp_path, "return ['incorrect', 'correct'][problem.id == '3' and text == '1'],") == []


def test_golds_of_another_kind_are_left_to_their_verifier(written: Written, tmp_path: Path) -> None:
    assert judged(written, tmp_path, "return 'incorrect', None, '', 'no program'", kind="program") == []


def test_a_verifier_that_accepts_everything_is_an_error(written: Written, tmp_path: Path) -> None:
    assert judged(written, tmp_path, "return 'correct',")[:2] == [
        "[data.train] the verifier accepts 'not the answer' as the answer to problem '0': use another",
        "[data.train] the verifier accepts '-98765.4321' as the answer to problem '0': use another",
    ]


@pytest.mark.parametrize("kind", ["instructions", "regex"])
def test_a_kind_to_which_any_text_may_be_right_is_left_to_its_verifier(
    written: Written, tmp_path: Path, kind: str
) -> None:
    assert judged(written, tmp_path, "return 'correct',", kind=kind) == []


def test_a_wrong_number_of_verdicts_is_an_error(written: Written, tmp_path: Path) -> None:
    few = "return 'correct',\n    @hookimpl\n    def verify(self):\n        return [Verdict('correct')] * 2"
    [complaint] = judged(written, tmp_path, few)
    assert complaint.startswith(
        "[data.train] plugin 'my_judge' (local file) failed in verify: ValueError: 2 verdicts for"
    )
    assert complaint.endswith("rollouts of problem '0'")


def test_a_verifier_that_raises_is_named(written: Written, tmp_path: Path) -> None:
    [complaint] = judged(written, tmp_path, "raise ValueError('oh')")
    assert complaint.startswith("[data.train] plugin 'my_judge' (local file) failed in verify at players.py:")
    assert complaint.endswith(": ValueError: oh")


def test_problems_that_no_verifier_takes_are_an_error(written: Written, tmp_path: Path) -> None:
    config = written("a", *CAST)
    (tmp_path / "players.py").write_text(PLAYERS + "\nclass Judge(Player):\n    @hookimpl\n    def verify(self): ...\n")
    result = cli("check", config)
    assert complaints(result.output) == [
        "[data.train] no verifier takes problem '0' of kind 'math' (active: my_judge); enable a verifier for that "
        "kind, or give the problem a kind that one takes"
    ]


def test_problems_without_a_gold_need_a_verifier_too(written: Written, tmp_path: Path) -> None:
    config = written("a", *CAST)
    (tmp_path / "players.py").write_text(PLAYERS + "\nclass Judge(Player):\n    @hookimpl\n    def verify(self): ...\n")
    (tmp_path / "open.jsonl").write_text('{"question": "Write a haiku."}\n')
    sets = ("data.train.use=files", f"data.train.path={tmp_path / 'open.jsonl'}", "data.train.kind=poem")
    result = cli("check", config, *(part for each in sets for part in ("--set", each)))
    assert complaints(result.output) == [
        "[data.train] no verifier takes problem 'open-1' of kind 'poem' (active: my_judge); enable a verifier for that "
        "kind, or give the problem a kind that one takes"
    ]


def test_without_a_gold_no_answer_is_known_to_be_wrong(written: Written, tmp_path: Path) -> None:
    assert judged(written, tmp_path, "return 'correct',", kind="style", answer=None) == []


# Lengths


def test_a_response_that_does_not_fit_is_an_error(written: Written) -> None:
    result = cli("check", written("a", *CAST), "--set", "sampling.max_tokens=9999")
    assert result.exit_code == 1
    assert complaints(result.output) == [
        "[data.train] prompt (2 tokens) and response ([sampling] max_tokens = 9999) need 10001 tokens, "
        "but the model's context has 10000: lower max_tokens"
    ]


def test_an_evaluation_has_its_own_max_tokens(written: Written, tmp_path: Path) -> None:
    evaluation = f'[data.eval.held]\nuse = "listed"\npath = "{tmp_path / "p.json"}"\n[evaluation]\nmax_tokens = 9999\n'
    result = cli("check", written("a", *CAST, more=evaluation))
    assert complaints(result.output) == [
        "[data.eval.held] prompt (2 tokens) and response ([evaluation] max_tokens = 9999) need 10001 tokens, "
        "but the model's context has 10000: lower max_tokens"
    ]


def test_a_prompt_that_leaves_no_room_is_an_error(written: Written, tmp_path: Path) -> None:
    config = written("a", *CAST)
    rows = [{"id": "short", "question": "1", "answer": "1"}, {"id": "long", "question": "1" * 10_000, "answer": "1"}]
    (tmp_path / "p.json").write_text(json.dumps(rows))
    assert complaints(cli("check", config).output) == [
        "[data.train] the prompt of problem 'long' has 10001 tokens and leaves no room for a response, as the model's "
        "context has 10000: drop such problems (data sets of the Hub: max_characters)"
    ]


def test_demonstrations_need_no_room_for_a_response(written: Written) -> None:
    assert cli("check", written("a"), "--set", "sampling.max_tokens=9999").exit_code == 0


# Disk


def test_a_full_disk_is_an_error(written: Written, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(40 * 2**20))
    found = complaints(cli("check", written("a")).output)
    assert found == [
        f"only 40 MiB are free in {tmp_path}, where the run keeps its records and rollouts: free some space, or choose "
        "another directory with --dir"
    ]


def test_a_directory_that_is_not_writable_is_an_error(
    written: Written, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(dir: Path) -> None:
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    found = complaints(cli("train", written("a"), "--dry-run", "--dir", tmp_path / "deep" / "er").output)
    assert found == [f"cannot write in {tmp_path}: Permission denied; choose another directory with --dir"]


# All checks


def test_all_complaints_are_shown_at_once(written: Written, tmp_path: Path) -> None:
    more = f'[data.eval.held]\nuse = "listed"\npath = "{tmp_path / "nowhere.json"}"\n'
    config = written("a", *CAST, more=more)
    (tmp_path / "players.py").write_text(PLAYERS + BOXES.format(of="return 'incorrect', None, '', 'not in base 3'"))
    result = cli("check", config, "--set", "sampling.max_tokens=9999")
    assert result.exit_code == 1
    data, room, gold = complaints(result.output)
    assert "FileNotFoundError" in data
    assert "lower max_tokens" in room
    assert gold == REFUSED


@pytest.mark.parametrize("command", ["train", "eval"])
def test_train_and_eval_make_the_same_checks(written: Written, tmp_path: Path, command: str) -> None:
    more = f'[data.eval.held]\nuse = "listed"\npath = "{tmp_path / "p.json"}"\n'
    result = cli(command, written("a", *CAST, more=more), "--dir", "out", "--set", "sampling.max_tokens=9999")
    assert result.exit_code == 1
    assert "[data.eval.held] prompt (2 tokens) and response ([sampling] max_tokens = 9999) need" in result.output


def test_what_a_reporter_lacks_is_shown_and_it_reports_nothing(
    written: Written, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from justtinker_plugins.reporters import curves

    config = written("a", *CAST)
    assert cli("check", config, "-p", "console").output.splitlines()[-1] == "Nothing stands in the way of this run."
    monkeypatch.setattr(curves, "lacks_matplotlib", lambda: True)
    assert complaints(cli("check", config, "-p", "curves").output) == [curves.MISSING]
    assert complaints(cli("train", config, "-p", "curves", "--dry-run").output) == [curves.MISSING]


def test_what_keeps_coming_back_is_said_once(written: Written, tmp_path: Path) -> None:
    (tmp_path / "players.py").write_text(
        PLAYERS + "class Lost(Player):\n    @hookimpl\n    def preflight(self, run):\n"
        "        return ['first', 'pip install theirs']\n"
        "class Gone(Player):\n    @hookimpl\n    def preflight(self, run):\n"
        "        return ['pip install theirs', 'last']\n"
    )
    config = written("a", *CAST, "Lost", "Gone")
    assert complaints(cli("check", config).output) == ["first", "pip install theirs", "last"]


def test_check_and_train_report_a_mistake_in_the_config_alike(written: Written) -> None:
    config = written("a", *CAST)
    outputs = [cli(command, config, "--set", "run.stepz=3").output for command in ("check", "train")]
    assert outputs[0] == outputs[1]
    assert "did you mean 'steps'?" in outputs[0]


def test_notes_on_the_data(written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skipped rows, golds that cannot be graded or read, training problems in an evaluation set: none stops the run."""
    monkeypatch.setenv("COLUMNS", "200")
    long = "How many of the first one hundred numbers that can be divided by seven are odd?"
    odd = "return ('unscored', None, '', 'odd gold') if problem.answer == '??' else "
    odd += "('incorrect', None, 'text') if text != problem.answer == '8' else "
    (tmp_path / "players.py").write_text(
        PLAYERS + BOXES.format(of=odd + "('correct' if text == problem.answer else 'incorrect',)")
    )
    rows = {
        "train": [("1+1?", "2"), (long, "7"), ("2+2?", ""), ("5+5?", "10")],
        "held": [(f"What is asked: {long}", "7"), ("3+3?", "??"), ("4+4?", "8"), ("5+5?", "10")],
    }
    for name, some in rows.items():
        lines = (json.dumps({"problem": problem, "answer": answer}) + "\n" for problem, answer in some)
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    more = '[data.eval.held]\nuse = "files"\npath = "held.jsonl"\n'
    config = written("a", *CAST, more=more)
    config.write_text(config.read_text().replace('"listed"', '"files"').replace("p.json", "train.jsonl"))
    result = cli("check", config)
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    assert ["data.train", "files", "3", "3", "of", "3", "nothing", "in", "the", "column", "'answer':", "1"] in lines
    assert ["data.eval.held", "files", "4", "1", "3", "of", "4"] in lines
    assert (
        "data.eval.held: 1 of 4 golds cannot be graded: answers are unscored, or correct only as the same text\n"
        "data.eval.held:   held-2: ?? (odd gold)\n"
        "data.eval.held: 1 of 4 golds can only be compared as text: a right answer in another form counts as wrong "
        "(held-3: 8)\n"
        "2 of 3 training problems are also in an evaluation set, word for word or nearly so: held (2). "
        "To drop them: -p decontaminate\n"
        "  train-4 is 100% of held's held-4: 5+5?\n"
    ) in result.output
    assert "word for word" not in cli("check", config, "-p", "decontaminate").output
