"""The presets have every number of the published recipe, which these tables copy from its own."""

from __future__ import annotations

import re
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from justtinker_core import PluginError, config_files
from justtinker_core.cli import main
from justtinker_core.config import RunConfig
from justtinker_core.enabling import open_plugins, resolved
from justtinker_plugins.backends._local.gguf import KNOWN
from justtinker_plugins.backends._tinker.catalog import catalog, is_retired, successor
from justtinker_plugins.commands._cli.plan import plan_runs
from justtinker_plugins.commands.presets import HISTORICAL, first_comment, read_preset
from justtinker_plugins.monitors import DEFAULT

RETIRED = "Qwen/Qwen3-4B-Instruct-2507"
"""The model of the published runs."""
MODEL = "Qwen/Qwen3.5-4B"
HISTORICAL_NAMES = ("exp001", "exp002", "exp003")
SFT_FINAL = "tinker://b0af3bd0-9638-583f-8c2c-2bb348453023:train:0/weights/coldstart_sft_final"
RL_STEP_50 = "tinker://fbadbbce-0cfc-53dd-ad26-9117748c5070:train:0/weights/checkpoint_step_50"

# size: steps, batch, accumulation, warm-up, samples, eval every, eval n, save every
COLD = {
    "quick": (10, 2, 1, 2, 100, 5, 10, 10),
    "small": (800, 8, 2, 50, 10_000, 50, 30, 100),
    "medium": (2_000, 8, 4, 100, 50_000, 100, 50, 200),
    "large": (5_000, 4, 8, 200, None, 200, 100, 500),
}
# name: steps, problems a step, eval every, eval n, save every, budget, data, evaluation sets, starts from
RL: dict[str, tuple[Any, ...]] = {
    "justrl-quick": (2, 2, 2, 10, 2, 8_192, "hendrycks_math", ["math", "aime"], None),
    "justrl-medium": (800, 32, 10, 200, 10, 8_192, "hendrycks_math", ["math", "aime"], None),
    "justrl-full": (2_000, 32, 100, 200, 200, 8_192, "hendrycks_math", ["math", "aime"], None),
    "exp001": (800, 32, 20, 200, 10, 8_192, "hendrycks_math", ["math"], SFT_FINAL),
    "exp002": (800, 32, 10, 200, 10, 8_192, "hendrycks_math", ["math"], RL_STEP_50),
    "exp003": (800, 32, 10, 200, 10, 15_360, "dapo_math_17k", ["math", "aime"], SFT_FINAL),
}
BUDGETS = {"low": 8_192, "medium": 15_360, "high": 20_480}


@cache
def preset(name: str, *sets: str) -> RunConfig:
    """Resolve a preset and check its roles: all that happens before data and model are opened."""
    needed = [f"run.start_from={RL_STEP_50}"] if name == "exp002" else []
    return resolved(config_files.read(name, [*needed, *sets]))


def tables(loaded: RunConfig) -> dict[str, Any]:
    return {spec.name: spec for spec in loaded.data}


@pytest.mark.parametrize("name", sorted(config_files.presets()))
def test_every_preset_resolves_without_a_network(name: str) -> None:
    assert preset(name).run.name == name


@pytest.mark.parametrize("name", [*(f"coldstart-{size}" for size in COLD), *RL])
def test_both_stages_have_one_model_one_adapter_and_one_prompt(name: str) -> None:
    loaded = preset(name)
    assert loaded.run.model == (RETIRED if name in HISTORICAL_NAMES else MODEL)
    options = loaded.plugin_options
    assert (options["tinker"]["lora_rank"], options["tinker"]["train_unembed"]) == (128, True)
    assert options["chatml_think"] == {
        "system": "You are a helpful mathematical assistant. Think step by step before answering.",
        "user": "Solve the following math problem.\n\nProblem: {problem}",
        "single_tokens": True,
    }
    adam = loaded.optimizer
    assert (adam.decay, adam.beta1, adam.beta2, adam.eps) == ("constant", 0.9, 0.95, 1e-12)
    assert (adam.weight_decay, adam.grad_clip_norm) == (0, 0)
    assert (loaded.evaluation.temperature, loaded.evaluation.at_start, loaded.evaluation.at_end) == (0.7, True, True)
    assert loaded.evaluation.max_tokens is None, "evaluation has the budget of training"


@pytest.mark.parametrize("size", COLD)
def test_cold_start(size: str) -> None:
    steps, batch, accumulation, warm_up, samples, eval_every, eval_n, save_every = COLD[size]
    loaded = preset(f"coldstart-{size}")
    data, sft = tables(loaded), loaded.plugin_options["sft"]
    assert loaded.run.steps == steps
    assert sft == {"batch_size": batch * accumulation, "max_length": 8_192, "require_thinking": True}
    assert (loaded.optimizer.learning_rate, loaded.optimizer.warmup_steps) == (2e-5, warm_up)
    assert {spec.use for spec in data.values()} == {"openr1_math"}
    assert data["train"].limit == (None if samples is None else samples * 9 // 10), "a tenth is held out"
    assert [spec.options["held_out"] for spec in data.values()] == [0.1, 0.1]
    assert (loaded.evaluation.every, data["held_out"].limit) == (eval_every, eval_n)
    assert loaded.checkpoints.every == save_every
    assert "thinking" in loaded.enable, "its evaluations are thinking rate, boxed rate and lengths"


@pytest.mark.parametrize("name", RL)
def test_reinforcement(name: str) -> None:
    steps, problems, eval_every, eval_n, save_every, budget, use, evals, start = RL[name]
    loaded = preset(name)
    data, options = tables(loaded), loaded.plugin_options
    assert (loaded.run.steps, loaded.run.start_from) == (steps, start)
    assert options["grpo"] == {
        "problems_per_step": problems, "rollouts_per_problem": 8, "train_on": "positive", "loss": "ppo",
        "clip_low": 0.8, "clip_high": 1.28, "dro_beta": 0.05, "normalize": "token_sum",
        "updates_per_step": 1, "dynamic_sampling": False, "max_rounds": 4, "lag": 0,
    }  # fmt: skip
    assert options["group_mean"] == {"divide_by_std": False, "std": "population", "undivided": ["kl"]}
    assert (loaded.optimizer.learning_rate, loaded.optimizer.warmup_steps) == (1e-6, 0)
    assert (loaded.sampling.max_tokens, loaded.sampling.temperature, loaded.sampling.top_p) == (budget, 1.0, 1.0)
    assert (data["train"].use, data["train"].limit) == (use, None)
    assert [n for n in data if n != "train"] == evals
    assert (data["math"].use, data["math"].limit, data["math"].stratify_by) == ("math500", eval_n, "subject")
    if "aime" in evals:
        assert (data["aime"].use, data["aime"].limit) == ("aime_2024", 10 if eval_n == 10 else None)
    assert loaded.evaluation.every == eval_every
    assert loaded.checkpoints.every == save_every


@pytest.mark.parametrize("name", RL)
def test_the_reward_and_its_guards(name: str) -> None:
    loaded = preset(name)
    options = loaded.plugin_options
    binary = name == "exp001"
    assert open_plugins(loaded).weights(1) == {
        "correct": 1.0, "format": 0.0 if binary else 0.1, "redundancy": 0.0 if binary else 0.3,
    }  # fmt: skip
    assert (options["correct"]["right"], options["correct"]["wrong"]) == (1, 0)
    assert (options["redundancy"]["method"], options["redundancy"]["threshold"]) == ("exact", 0.3)
    assert options["format"]["only_correct"]
    assert options["redundancy"]["only_correct"]
    thresholds = options["thresholds"]
    assert (thresholds["max_response_tokens"], thresholds["min_thinking_rate"]) == (5000, 0.6)
    assert (thresholds["max_redundancy"], thresholds["max_chunk_similarity"]) == (0.4, 0.6)
    assert (thresholds["suspicious_chunk_similarity"], thresholds["low_redundancy"]) == (0.5, 0.3)
    assert options["early_stopping"] == {
        "action": "stop", "evaluation": "math", "metric": "accuracy", "drop": 0.05, "patience": 3,
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(config_files.presets()))
def test_rl_is_watched_by_the_default_monitors(name: str) -> None:
    loaded = preset(name)
    if "grpo" in loaded.enable:
        assert {*DEFAULT, "thinking", "answers"} <= set(loaded.enable)


def test_experiment_2_says_what_it_needs_and_how_to_set_it() -> None:
    with pytest.raises(PluginError, match="step 81 of exp001: not public, see justtinker presets exp002"):
        resolved(config_files.read("exp002"))
    output = shown_preset("exp002")
    assert "--set run.start_from=runs/exp001" in output
    assert "checkpoints.jsonl" in output
    assert "40 steps (81 to 120)" in output
    assert "--set run.steps=40 ends where it ended" in output


@pytest.mark.parametrize("name", HISTORICAL_NAMES)
def test_a_published_experiment_says_that_its_model_is_retired_and_how_to_run_it_elsewhere(name: str) -> None:
    output = shown_preset(name)
    assert "retired the model on 2026-06-12" in output
    commands = output.replace(" \\\n#      ", "")
    assert "export TINKER_BASE_URL=" in commands
    assert re.search(rf"justtinker train {name} --set run.model=DIR --set run.start_from=runs/", commands)


@pytest.mark.parametrize("name", [*(f"coldstart-{size}" for size in COLD), *RL, "justrl-thinking"])
def test_every_preset_of_the_service_says_what_was_not_run(name: str) -> None:
    if name not in HISTORICAL_NAMES:
        assert re.search("^# Not run by (us|anybody)", shown_preset(name), re.MULTILINE)


@pytest.mark.parametrize("name", [name for name in config_files.presets() if name not in HISTORICAL_NAMES])
def test_weights_of_the_retired_model_are_recommended_for_no_other(name: str) -> None:
    assert "tinker://" not in shown_preset(name)


SERVED = [name for name in config_files.presets() if "tinker" in config_files.read(name).enable]


def test_the_presets_of_the_service_are_found() -> None:
    assert {*HISTORICAL_NAMES, "justrl-thinking", *(f"coldstart-{size}" for size in COLD)} < set(SERVED)


@pytest.mark.parametrize("name", SERVED)
def test_a_preset_of_the_service_names_a_model_that_it_offers_or_is_historical(name: str) -> None:
    model = preset(name).run.model
    assert model in catalog(), f"{model} is not in models.toml"
    historical = first_comment(shown_preset(name)).startswith(HISTORICAL)
    assert catalog()[model].offered != historical
    assert is_retired(model) == historical
    assert historical == (name in HISTORICAL_NAMES)


def test_the_recipes_model_is_what_the_service_names_in_place_of_the_published_one() -> None:
    new = successor(RETIRED)
    assert new is not None
    assert new.name == MODEL


def test_the_template_of_the_model_that_thinks_by_itself_opens_the_thinking() -> None:
    assert catalog()[preset("justrl-thinking").run.model].opens_think == "prompt"


def test_a_model_that_thinks_by_itself_needs_no_cold_start() -> None:
    loaded = preset("justrl-thinking")
    assert (loaded.run.model, loaded.run.start_from) == (MODEL, None)
    options = loaded.plugin_options
    assert options["chat_template"]["template"] == {"enable_thinking": True}
    assert "chatml_think" not in loaded.enable
    recipe = preset("justrl-medium")
    for name in ("grpo", "group_mean", "format", "early_stopping", "tinker", "correct"):
        assert options[name] == recipe.plugin_options[name]
    assert asdict(loaded.optimizer) == asdict(recipe.optimizer)
    assert asdict(loaded.sampling) == {**asdict(recipe.sampling), "max_tokens": BUDGETS["high"]}
    assert options["redundancy"] == {**recipe.plugin_options["redundancy"], "method": "flat"}
    assert options["thresholds"]["max_response_tokens"] < loaded.sampling.max_tokens


@pytest.mark.parametrize("budget", BUDGETS)
def test_the_thinking_budget_is_one_setting(budget: str) -> None:
    loaded = preset("justrl-medium", f"sampling.max_tokens={BUDGETS[budget]}")
    assert loaded.sampling.max_tokens == BUDGETS[budget]
    assert re.search(f"max_tokens = .*# .*{budget} {BUDGETS[budget]}", shown_preset("justrl-medium"))


def test_the_two_stages_chain(tmp_path: Path) -> None:
    names = "coldstart-small", "justrl-medium"
    _, (first, second) = plan_runs(names, [config_files.read(name) for name in names], tmp_path / "both", "")
    assert first.config.run.start_from is None
    assert second.config.run.start_from == f"../{first.path.name}"


def test_the_baseline_is_standard_grpo_where_the_recipe_is_not() -> None:
    loaded = preset("grpo-standard")
    mean = loaded.plugin_options["group_mean"]
    assert (mean["divide_by_std"], mean["std"], mean["undivided"]) == (True, "sample", ["kl"]), "as in TRL and verl"
    grpo = loaded.plugin_options["grpo"]
    assert (grpo["train_on"], grpo["loss"], grpo["clip_low"], grpo["clip_high"]) == ("all", "ppo", 0.8, 1.2)
    assert grpo["normalize"] == "sequence_mean"
    assert open_plugins(loaded).weights(1)["kl"] == 0.04
    recipe = preset("quickstart-rl")
    for key in ("problems_per_step", "rollouts_per_problem", "updates_per_step"):
        assert grpo[key] == recipe.plugin_options["grpo"][key], "otherwise the two could not be compared"
    assert loaded.run.steps == recipe.run.steps
    assert asdict(loaded.optimizer) == asdict(recipe.optimizer)
    assert asdict(loaded.sampling) == asdict(recipe.sampling)


def test_the_stages_on_a_real_model_share_model_adapter_prompt_and_evaluation() -> None:
    first, second = preset("smollm2-sft"), preset("smollm2-rl")
    assert first.run.model == second.run.model
    for plugin in ("local", "chat_template"):
        assert first.plugin_options[plugin] == second.plugin_options[plugin]
    assert asdict(first.sampling) == asdict(second.sampling)
    evaluation = asdict(first.evaluation)
    assert {**evaluation, "at_start": False} == asdict(second.evaluation)
    assert tables(first)["held_out"] == tables(second)["held_out"]


@pytest.mark.parametrize("name", ["smollm2-sft", "smollm2-rl"])
def test_the_real_model_is_one_that_the_backend_knows_how_to_get(name: str) -> None:
    known = KNOWN[Path(preset(name).run.model).name]
    head = re.sub(r"^# *", "", shown_preset("smollm2-sft"), flags=re.MULTILINE)
    assert "\n".join(known.commands) in head


# The command


def shown_preset(name: str) -> str:
    result = CliRunner().invoke(main, ["presets", name])
    assert result.exit_code == 0, result.output
    return result.output


def test_every_preset_is_listed_in_a_line_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = CliRunner().invoke(main, ["presets"])
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80
    for name, path in config_files.presets().items():
        text = first_comment(path.read_text()).removeprefix(HISTORICAL)
        steps = f"{config_files.read(name).run.steps:,}"
        assert re.search(rf"^{name} +{steps} +{re.escape(text)} *$", result.output, re.MULTILINE)


def test_the_list_goes_by_model_and_ends_with_what_is_historical() -> None:
    lines = [line.rstrip() for line in CliRunner().invoke(main, ["presets"]).output.splitlines()]
    headings = "tiny (local)", f"{MODEL} (tinker)", f"Historical: {RETIRED} (tinker)"
    places = [lines.index(heading) for heading in headings]
    assert places == sorted(places)
    assert [line.split()[0] for line in lines[places[2] + 2 : places[2] + 5]] == list(HISTORICAL_NAMES)


def test_presets_are_no_wider_than_a_terminal() -> None:
    for name, path in config_files.presets().items():
        long = [line for line in path.read_text().splitlines() if len(line) > 80 and "tinker://" not in line]
        assert long == [], name


def test_a_preset_of_another_package_is_listed_without_a_backend() -> None:
    text = "[run]\nname = 'x'\nmodel = 'm'\nsteps = 1000\n"
    assert read_preset("x", text, {"local"}) == (False, "no backend", "m", "x", 1000, "")


def test_one_preset_is_printed_unchanged() -> None:
    assert shown_preset("exp001") == config_files.presets()["exp001"].read_text()


def test_a_missing_preset() -> None:
    result = CliRunner().invoke(main, ["presets", "exp01"])
    assert result.exit_code == 1
    assert result.output == "Error: no preset called 'exp01'; did you mean 'exp001'?\n"


def test_the_first_comment_ends_at_the_first_other_line() -> None:
    assert first_comment("# one\n# two\n[run]\n# three\n") == "one two"
    assert first_comment("# one\n\n# two\n[run]\n") == "one"
    assert first_comment("[run]\n") == ""
    assert first_comment("") == ""
