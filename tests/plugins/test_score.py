"""``justtinker score`` on records of real runs and on other files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.core.conftest import Written, cli

ANY = '[plugins]\nenable = ["any_box", "correct", "overlong"]\n[plugins.overlong]\nmax_tokens = 20\nbuffer = 10\n'
STRICT = '[plugins]\nenable = ["exact", "correct", "format", "group_mean"]\n'
RUN = '[run]\nname = "{}"\nmodel = "none"\nsteps = 0\n'


@pytest.fixture
def stacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with any.toml and strict.toml."""
    monkeypatch.chdir(tmp_path)
    for name, plugins in (("any", ANY), ("strict", STRICT)):
        (tmp_path / f"{name}.toml").write_text(RUN.format(name) + plugins)
    return tmp_path


def write(path: Path, *records: Any) -> Path:
    text = "".join(json.dumps(record) + "\n" for record in records).encode()
    path.write_bytes(zstandard.compress(text) if path.suffix == ".zst" else text)
    return path


def plain(*responses: str, **more: Any) -> dict[str, Any]:
    return {"question": "7+8=?", "answer": "15", "responses": list(responses), **more}


RIGHT, WRONG, HEDGED = "\\boxed{15}", "\\boxed{5}", "\\boxed{15} or \\boxed{5}"


def summary(*arguments: str | Path) -> dict[str, Any]:
    result = cli("score", *arguments, "--json", "summary.json", "--jobs", "1")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(Path("summary.json").read_text())
    return found


# Results


def test_terms_accuracy_and_reward(stacks: Path) -> None:
    write(stacks / "r.jsonl", plain(RIGHT, WRONG, tokens=[5, 15]), plain(HEDGED, HEDGED, tokens=[20, 30]))
    found = summary("r.jsonl", "--config", "any.toml")
    assert (found["rollouts"], found["groups"]) == (4, 2)
    side = found["config"]
    assert (side["accuracy"], side["unscored_rate"], side["groups_without_signal"]) == (0.75, 0.0, 0.5)
    assert side["terms"]["correct"] == {"raw": 0.75, "weighted": 0.75, "applies": 1.0, "touches": 0.75}
    overlong = side["terms"]["overlong"]
    assert (overlong["applies"], overlong["touches"]) == (1.0, 0.75)
    assert side["reward"] == pytest.approx(0.75 + overlong["weighted"])


def test_two_stacks_are_compared(stacks: Path) -> None:
    write(stacks / "r.jsonl", plain(RIGHT, WRONG, HEDGED, WRONG, tokens=[1] * 4), plain(WRONG, WRONG, tokens=[1, 1]))
    found = summary("r.jsonl", "--config", "any.toml", "--against", "strict.toml")
    assert found["difference"] == {
        "inverted_groups": 0,  # the hedged one is no longer above the wrong ones, and none is below
        "reranked_groups": 1,
        "sign_flips": 1,
        "sign_changes": 1,
        "rewards": 2,  # without thinking, the right one pays 0.1
        "verdicts": 1,
        "left_out_by_one": 0,
        "kendall_tau": pytest.approx(2 / (3 * 4) ** 0.5),
    }
    most = found["changes"][0]
    assert (most["line"], most["rollout"], most["text"], most["answer"]) == (1, 2, HEDGED, "15")
    assert (most["config"]["advantage"], most["against"]["advantage"]) == (0.5, -0.225)


def test_the_output(stacks: Path) -> None:
    write(stacks / "r.jsonl", plain(RIGHT, "[red]\x1b]0;owned\x07\n" + "a" * 300 + HEDGED, WRONG, tokens=[1, 1, 1]))
    result = cli("score", "r.jsonl", "--config", "any.toml", "--against", "strict.toml", "--jobs", "1", "--show", "1")
    assert result.exit_code == 0
    assert "3 rollouts in 1 group\n" in result.output
    assert "\nA: any.toml\nterm" in result.output
    assert "\nB: strict.toml\nterm" in result.output
    assert re.search(r"\n +A +B\nreward +\S+ +\S+\naccuracy +\S+ +\S+\ncorrect answers +2 +1\n", result.output)
    assert "advantages with the opposite sign" in result.output
    assert "1. r.jsonl, line 1, rollout 1" in result.output
    assert "[red]␛]0;owned␇ \naaa" in result.output
    assert "\x1b" not in result.output
    assert "a" * 150 not in result.output.replace("\n", "")
    assert "   A -> B: reward 1 -> 0, advantage 0.333 -> -0.3" in result.output


def test_a_config_may_hold_plugins_only(stacks: Path) -> None:
    write(stacks / "r.jsonl", plain(RIGHT, WRONG))
    (stacks / "bare.toml").write_text(STRICT)
    found = summary("r.jsonl", "--config", "bare.toml", "--set", "plugins.correct.weight=0.5", "--against", "bare.toml")
    assert found["config"]["verdicts"] == {"correct": 1, "incorrect": 1, "unscored": 0}
    assert [found[side]["terms"]["correct"]["weighted"] for side in ("config", "against")] == [0.25, 0.5]
    for change, error in {
        "plugins.correkt.weight=1": "[plugins.correkt] is set but [plugins] enable does not name 'correkt'; did you "
        "mean 'correct'?",
        "run.stps=1": "[run] has no option 'stps'; did you mean 'steps'?",
    }.items():
        result = cli("score", "r.jsonl", "--config", "bare.toml", "--set", change)
        assert result.output == f"Error: bare.toml with --set {change}: {error}\n"


def test_a_stack_without_advantages_takes_the_group_mean(stacks: Path) -> None:
    write(stacks / "r.jsonl", plain(RIGHT, WRONG, tokens=[1, 1]))
    summary("r.jsonl", "--config", "any.toml", "--out", "out.jsonl")
    head, record = map(json.loads, Path("out.jsonl").read_text().splitlines())
    assert set(head) == {"scored_with"}
    assert [row["advantage"] for row in record["config"]["rollouts"]] == [0.5, -0.5]
    assert (record["line"], record["problem"], record["recorded"]) == (1, "r.jsonl:1", [None, None])


def test_set_and_switches_change_config_and_not_against(stacks: Path) -> None:
    write(stacks / "r.jsonl", plain(RIGHT, WRONG))
    change = ("--set", "plugins.correct.weight=0.5", "-p", "no:format")
    found = summary("r.jsonl", "--config", "strict.toml", "--against", "strict.toml", *change)
    assert (found["config"]["reward"], found["against"]["reward"]) == (0.25, 0.45)
    assert set(found["config"]["terms"]) == {"correct"}


def test_weights_are_taken_at_the_recorded_step(stacks: Path) -> None:
    schedule = ("--set", "plugins.correct.weight={from = 0.0, to = 1.0, steps = 10}")
    write(stacks / "r.jsonl", plain(RIGHT, WRONG, step=3))
    assert summary("r.jsonl", "--config", "strict.toml", *schedule)["config"]["terms"]["correct"]["weighted"] == 0.15
    write(stacks / "r.jsonl", plain(RIGHT, WRONG))
    result = cli("score", "r.jsonl", "--config", "strict.toml", *schedule, "--jobs", "1")
    assert result.output == (
        "Error: r.jsonl, line 1: the line has no 'step', which the weight schedule of correct needs\n"
    )


# Records of runs


def test_a_runs_own_rollouts_under_its_own_config(written: Written, tmp_path: Path) -> None:
    config = written("a", "ScriptedBackend", "Ask", "Judge", "Correct", "Length", "Mean", "Rl", steps=3)
    assert cli("train", config, "--dir", "run").exit_code == 0
    found = summary("run", "--out", "out.jsonl")
    assert (found["rollouts"], found["groups"]) == (18, 6)
    assert found["recorded"] == {"rewards": 18, "equal": 18}
    steps = [json.loads(line) for line in (tmp_path / "run" / "steps.jsonl").read_text().splitlines()]
    accuracy = sum(step["metrics"]["accuracy"] for step in steps) / 3
    assert found["config"]["accuracy"] == pytest.approx(accuracy)


def test_a_real_run_earns_the_recorded_rewards_to_the_last_digit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="the local backend needs torch: install the extra 'local'")
    monkeypatch.chdir(tmp_path)
    short = "run.steps=2 sampling.max_tokens=16 plugins.grpo.problems_per_step=4 evaluation.at_end=false "
    short += "plugins.redundancy.method=exact plugins.overlong.max_tokens=16 plugins.overlong.buffer=8"
    sets = [part for item in short.split() for part in ("--set", item)]
    sets += ["--set", "plugins.overlong.weight={from = 0.1, to = 0.7, steps = 3}", "-p", "overlong"]
    result = cli("train", "quickstart-rl", *sets, "--dir", "run")
    assert result.exit_code == 0, result.output
    assert summary("run", "--out", "out.jsonl")["recorded"] == {"rewards": 64, "equal": 64}
    packed = [zstandard.ZstdDecompressor().decompressobj().decompress(f.read_bytes()) for f in step_files(tmp_path)]
    recorded = [json.loads(line) for text in packed for line in text.splitlines()]
    again = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()[1:]]
    for old, new in zip(recorded, again, strict=True):
        for key in ("terms", "reward", "advantage", "verdict"):
            assert [row[key] for row in old["rollouts"]] == [row[key] for row in new["config"]["rollouts"]]
        assert old["rollouts"][0]["weights"] == new["config"]["weights"]
        for name, values in new["config"]["measures"].items():
            assert values == [row["measures"][name] for row in old["rollouts"]]


def step_files(folder: Path) -> list[Path]:
    return sorted((folder / "run" / "rollouts").glob("step_*"))


def test_score_imports_no_backend_torch_or_data_set(stacks: Path) -> None:
    write(stacks / "r.jsonl", plain(RIGHT, step=1, tokens=[4]))
    code = (
        "import sys; from tests.core.conftest import cli\n"
        "result = cli('score', 'r.jsonl', '--config', 'quickstart-rl', '--jobs', '1')\n"
        "assert result.exit_code == 0, result.output\n"
        "found = {name.partition('.')[0] for name in sys.modules} & {'torch', 'transformers', 'datasets', 'tinker'}\n"
        "found |= {n for n in sys.modules if n.startswith('justtinker_plugins.') and n.split('.')[1] == 'backends'}\n"
        "assert not found, found"
    )
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-c", f"sys = __import__('sys'); sys.path.append({str(root)!r})\n{code}"], check=True
    )


# Many at once, and resuming


def groups(n: int) -> list[dict[str, Any]]:
    return [plain(RIGHT, HEDGED, WRONG, "x" * (i % 7), tokens=[i % 30] * 4) for i in range(n)]


def test_two_processes_give_the_results_of_one(stacks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("justtinker_plugins.commands._score.rescoring.BATCH_BYTES", 2000)
    for name in ("a.jsonl", "b.jsonl.zst"):
        write(stacks / name, *groups(40))
    arguments = ("score", "a.jsonl", "b.jsonl.zst", "--config", "any.toml", "--against", "strict.toml")
    outs = []
    for jobs in ("1", "2"):
        result = cli(*arguments, "--jobs", jobs, "--out", f"out{jobs}")
        assert result.exit_code == 0, result.output
        outs.append((result.output, Path(f"out{jobs}").read_text()))
    assert outs[0] == outs[1]


def test_an_interrupted_scoring_resumes(stacks: Path) -> None:
    write(stacks / "r.jsonl", *groups(20))
    arguments = ("r.jsonl", "--config", "any.toml", "--against", "strict.toml", "--out", "out")
    whole, text = summary(*arguments), Path("out").read_bytes()
    Path("out").write_bytes(text[: len(text) // 2])
    assert summary(*arguments) == whole
    assert Path("out").read_bytes() == text
    write(stacks / "r.jsonl", *groups(25))
    assert summary(*arguments)["groups"] == 25, "the run has gone on since"


def test_scored_groups_are_not_scored_again(stacks: Path) -> None:
    (stacks / "loud.py").write_text(
        "from justtinker_core import Verdict, hookimpl\n"
        "class Loud:\n"
        "    @hookimpl\n"
        "    def verify(self, problem, rollouts):\n"
        "        open('calls', 'a').write(f'{len(rollouts)} ')\n"
        "        return [Verdict('correct') for _ in rollouts]\n"
    )
    loud = '[plugins]\nenable = ["loud", "correct"]\n[local_plugins]\nloud = "loud.py:Loud"\n'
    (stacks / "loud.toml").write_text(RUN.format("loud") + loud)
    write(stacks / "r.jsonl", plain("a"), plain("a", "b"), plain("a"))
    cli("score", "r.jsonl", "--config", "loud.toml", "--out", "out", "--jobs", "1")
    lines = Path("out").read_bytes().splitlines(keepends=True)
    Path("out").write_bytes(b"".join(lines[:2]) + lines[2][:-5])
    result = cli("score", "r.jsonl", "--config", "loud.toml", "--out", "out", "--jobs", "1")
    assert "out already holds scores of 1 rollout\n" in result.output
    assert Path("calls").read_text() == "1 2 1 2 1 "
    assert Path("out").read_bytes() == b"".join(lines)


def test_out_never_overwrites_another_file(stacks: Path) -> None:
    write(stacks / "r.jsonl", plain(RIGHT, tokens=[1]))
    cli("score", "r.jsonl", "--config", "any.toml", "--out", "out", "--jobs", "1")
    before = Path("out").read_bytes()
    result = cli("score", "r.jsonl", "--config", "strict.toml", "--out", "out", "--jobs", "1")
    assert result.output == ("Error: out was scored under other configs: name another file, or delete it\n")
    assert Path("out").read_bytes() == before
    write(stacks / "mine", {"a": 1}, {"b": 2})
    result = cli("score", "r.jsonl", "--config", "any.toml", "--out", "mine", "--jobs", "1")
    assert result.output == "Error: mine was scored under other configs: name another file, or delete it\n"


# What can go wrong


def test_files_need_a_config(stacks: Path) -> None:
    write(stacks / "r.jsonl", plain(RIGHT))
    result = cli("score", "r.jsonl")
    assert result.exit_code == 2
    assert "add --config CONFIG: only a single run directory has a reward stack of its own" in result.output


def test_a_stack_that_cannot_judge(stacks: Path) -> None:
    write(stacks / "r.jsonl", plain(RIGHT))
    (stacks / "none.toml").write_text(RUN.format("none") + '[plugins]\nenable = ["format"]\n')
    result = cli("score", "r.jsonl", "--config", "none.toml")
    assert result.exit_code == 1
    assert "no active plugin implements verify, which scoring needs; enable one of the verifiers: " in result.output


def test_missing_lengths_fail_in_the_plugin_that_reads_them(stacks: Path) -> None:
    write(stacks / "r.jsonl", plain(RIGHT))
    for jobs in ("1", "2"):
        result = cli("score", "r.jsonl", "--config", "any.toml", "--jobs", jobs)
        assert result.exit_code == 1
        assert result.output.startswith("Error: r.jsonl, line 1: plugin 'overlong' (justtinker) failed in score at ")
        assert "the length of a response is not known: give 'tokens' (how many each has), or disable the plugin" in (
            result.output
        )


WATCHED = '''
from justtinker_core import hookimpl, plugin

class Sure:
    """Reads log-probabilities, which no record has."""
    reads = ("logprobs",)
    @hookimpl
    def measure(self, group):
        return {"sureness": [sum(r.logprobs) for r in group.rollouts]}

class Long:
    """A reward that reads what the metric `thinking` measures."""
    @hookimpl
    def score(self, group):
        return {"long": [min(1.0, n or 0.0) for n in group.measures["thinking_tokens"]]}
'''


def watched_stack(stacks: Path, *more: str) -> str:
    """Write a stack with metrics that read lengths and log-probabilities."""
    (stacks / "watched.py").write_text(WATCHED)
    enable = ["any_box", "correct", "thinking", "answers", "sure", *more]
    tables = f"[plugins]\nenable = {json.dumps(enable)}\n[local_plugins]\n"
    tables += "".join(f'{name} = "watched.py:{name.capitalize()}"\n' for name in ("sure", "long"))
    (stacks / "watched.toml").write_text(RUN.format("watched") + tables)
    return "watched.toml"


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_metric_that_lacks_data_is_left_out_and_reported_once(stacks: Path, jobs: str) -> None:
    write(stacks / "r.jsonl", plain(RIGHT, WRONG), plain(WRONG, WRONG), plain(RIGHT, RIGHT, tokens=[3, 4]))
    config = watched_stack(stacks)
    result = cli("score", "r.jsonl", "--config", config, "--against", config, "--jobs", jobs, "--out", "out")
    assert result.exit_code == 0, result.output
    assert result.output.count("left out") == 1
    assert (
        "metrics left out because records lack data: answers (no 'tokens' in 2 of 3 groups), "
        "sure (no log-probabilities in 3 of 3 groups), thinking (no 'tokens' in 2 of 3 groups)\n"
    ) in result.output
    records = [json.loads(line)["config"] for line in Path("out").read_text().splitlines()[1:]]
    assert ["answers" in r.get("left_out", {}) for r in records] == [True, True, False]
    assert records[2]["measures"]["correct_response_tokens"] == [3.0, 4.0]
    assert "sureness" not in records[2]["measures"]
    again = cli("score", "r.jsonl", "--config", config, "--against", config, "--out", "out", "--json", "j")
    assert "answers (no 'tokens' in 2 of 3 groups)" in again.output, "also for groups scored earlier"
    assert json.loads(Path("j").read_text())["left_out"]["answers"] == {"lacks": "'tokens'", "groups": 2}


def test_a_reward_that_reads_a_left_out_metric_is_an_error(stacks: Path) -> None:
    write(stacks / "r.jsonl", plain(f"<think>7+8</think>{RIGHT}"))
    result = cli("score", "r.jsonl", "--config", watched_stack(stacks, "long"), "--jobs", "1")
    assert result.exit_code == 1
    assert "plugin 'long' (local file) failed in score" in result.output
    assert "KeyError: 'thinking_tokens' (the metric thinking is left out: no 'tokens')" in result.output


def test_the_example_of_the_docs_under_the_quickstart(stacks: Path) -> None:
    write(stacks / "others.jsonl", plain(f"<think>7+8=15</think>{RIGHT}", WRONG))
    found = summary("others.jsonl", "--config", "quickstart-rl")
    assert found["config"]["terms"]["correct"]["raw"] == 0.5
    assert set(found["left_out"]) == {"answers", "thinking"}


def test_nothing_to_score(stacks: Path) -> None:
    result = cli("score", "gone.jsonl", "--config", "any.toml")
    assert result.output == "Error: there is no gone.jsonl: expected files of JSON lines or run directories\n"
    (stacks / "config.toml").write_text(RUN.format("sft") + ANY)
    result = cli("score", ".")
    assert result.output == "Error: rollouts holds no step_*.jsonl.zst: the run has recorded no training rollouts\n"
    (stacks / "empty.jsonl").write_text("\n")
    result = cli("score", "empty.jsonl", "--config", "any.toml", "--jobs", "1")
    assert (result.exit_code, result.output) == (1, "Error: these files hold no rollouts\n")
