from __future__ import annotations

import subprocess
import sys
import threading
import traceback
import types
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import config_files, loop
from justtinker_core.enabling import open_plugins, resolved
from justtinker_core.errors import PluginError, SamplingError
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_core.types import Adam

pytest.importorskip("tinker", reason="the tinker backend needs the tinker SDK")

from justtinker_core.testing.backends import (
    ADAM,
    PROMPTS,
    WAIT,
    BackendConformance,
    demonstrations,
    policy_datum,
    request,
    train,
)
from justtinker_plugins.backends._tinker import wire
from justtinker_plugins.backends._tinker.backend import TinkerBackend
from justtinker_plugins.backends._tinker.calls import explained, is_gone
from justtinker_plugins.backends.tinker import Tinker
from tests.core.conftest import cli
from tests.plugins.tinker_fixtures import CONFIG, Open, draws, lines, run_loop, wire_config
from tests.plugins.tinker_server import KEY, TinkerServer, Weights

pytestmark = [
    pytest.mark.filterwarnings("error::FutureWarning"),
    pytest.mark.filterwarnings("error::DeprecationWarning:justtinker_plugins"),
]

STEP = ("forward_backward", "optim_step", "save_weights_for_sampler", "asample")


class TestOverTheWire(BackendConformance):
    bit_for_bit = True

    @pytest.fixture
    def fresh(self, opened: Open) -> Open:
        return opened


# -- what goes over the wire -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "changed", "found"), [("lora_rank", "64", "64, not 128"), ("train_unembed", "false", "False, not True")]
)
def test_two_stages_have_one_adapter(option: str, changed: str, found: str) -> None:
    change = f"justrl-quick:plugins.tinker.{option}={changed}"
    result = cli("train", "coldstart-quick", "justrl-quick", "--dry-run", "--set", change)
    assert result.exit_code == 1
    assert result.output.endswith(
        "2-justrl-quick starts from the weights of 1-coldstart-quick, but has [plugins.tinker] "
        f"{option} = {found}: use one value for both, with --set plugins.tinker.{option}=...\n"
    )


def test_a_new_adapter_is_as_the_options_say(server: TinkerServer, opened: Open) -> None:
    opened().encode("1")
    opened(lora_rank=8, train_unembed=False, seed=5).encode("1")
    sent = [body["lora_config"] for body in server.bodies("create_model")]
    assert [(c["rank"], c["train_unembed"], c["seed"]) for c in sent] == [(128, True, 0), (8, False, 5)]


def test_a_group_is_one_request_and_all_are_sent_before_any_is_answered(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    server.hold = {PROMPTS[0]: threading.Event(), PROMPTS[2]: threading.Event()}
    groups = draws(backend, *PROMPTS, n=5, temperature=0.5, top_p=0.9, stop=("</think>",))
    assert len(groups[1].result(WAIT)) == 5
    assert [group.done() for group in groups] == [False, True, False]
    for event in server.hold.values():
        event.set()
    assert [len(group.result(WAIT)) for group in groups] == [5, 5, 5]
    sent = server.bodies("asample")
    assert [body["num_samples"] for body in sent] == [5, 5, 5]
    expected = {"max_tokens": 8, "seed": 7, "stop": backend.encode("</think>"), "temperature": 0.5, "top_p": 0.9}
    assert {k: v for k, v in sent[0]["sampling_params"].items() if k != "top_k"} == expected


def test_stops_of_several_tokens_are_sent_as_texts(server: TinkerServer, opened: Open) -> None:
    draws(opened(), PROMPTS[0], stop=("</think>", "so:"))[0].result(WAIT)
    assert server.bodies("asample")[0]["sampling_params"]["stop"] == ["</think>", "so:"]


def test_a_response_is_cut_where_the_context_ends(server: TinkerServer, opened: Open) -> None:
    backend = opened(context_length=10)
    sampled = draws(backend, PROMPTS[0], max_tokens=100)[0].result(WAIT)
    assert {len(s.tokens) for s in sampled} == {10 - len(backend.encode(PROMPTS[0]))}
    assert not any(s.stopped for s in sampled)


def test_the_chain_of_a_step_is_sent_without_waiting(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    backend.encode("1")
    first = len(server.seen)
    data = demonstrations(backend)
    trained, stepped = backend.forward_backward(data, "cross_entropy", {}), backend.optim_step(ADAM)
    draw = backend.sampler().sample([request(backend, PROMPTS[0])])
    assert not trained.cancel()
    assert not stepped.cancel()
    assert not draw[0].cancel()
    draw[0].result(WAIT)
    names = [name for name, _ in server.seen[first:] if name in STEP]
    assert names == list(STEP)


def test_an_unclipped_step_reports_its_gradient_norm_too(opened: Open) -> None:
    backend = opened()
    norms = []
    for clip in (0.0, 1e-3):
        backend.forward_backward(demonstrations(backend), "cross_entropy", {}).result(WAIT)
        norms.append(backend.optim_step(Adam(learning_rate=0.0, grad_clip_norm=clip)).result(WAIT)["grad_norm"])
    assert norms[0] == pytest.approx(norms[1])
    assert norms[0] > 1


def test_clip_thresholds_reach_the_server(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    sampled = draws(backend, PROMPTS[0])[0].result(WAIT)[0]
    data = [policy_datum(backend.encode(PROMPTS[0]), sampled, 1.0)]
    clip = {"clip_low_threshold": 0.5, "clip_high_threshold": 1.5}
    backend.forward_backward(data, "ppo", clip).result(WAIT)
    sent = server.bodies("forward_backward")[0]
    assert sent["loss_fn_config"] == clip
    assert sent["data"][0]["advantages"].dtype.kind == "f"


@pytest.mark.parametrize(
    ("loss", "config", "complaint"),
    [
        ("dpo", {}, "unknown loss 'dpo'"),
        ("ppo", {"clip_hi": 2.0}, "no setting 'clip_hi'"),
        ("ppo", {}, "ppo expects 18 logprobs, one an input; got none"),
    ],
)
def test_what_the_loss_does_not_know_is_refused(opened: Open, loss: Any, config: Any, complaint: str) -> None:
    backend = opened()
    with pytest.raises(PluginError, match=complaint):
        backend.forward_backward(demonstrations(backend), loss, config).result(WAIT)


def test_a_checkpoint_goes_with_its_time_to_live(server: TinkerServer, opened: Open) -> None:
    path = opened().save("step_000001", 7200).result(WAIT)
    assert path == "tinker://session0:train:0/weights/step_000001"
    assert server.bodies("save_weights")[0]["ttl_seconds"] == 7200


def test_the_samplers_weights_stay_while_training_goes_on(opened: Open) -> None:
    backend = opened()
    sampler, draw = backend.sampler(), request(backend, PROMPTS[0])
    before = sampler.sample([draw])[0].result(WAIT)
    train(backend, demonstrations(backend), 3)
    assert sampler.sample([draw])[0].result(WAIT) == before
    assert backend.sampler().sample([draw])[0].result(WAIT) != before


def test_the_sdk_types_have_the_keywords_that_are_used() -> None:
    from tinker.types import AdamParams

    with pytest.raises(TypeError, match="AdamParams has no learning_rat"):
        wire.make_strictly(AdamParams, learning_rat=1.0)


# -- faults ----------------------------------------------------------------------------------------------------------


def nan(sequences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    sequences[1]["logprobs"][2] = float("nan")
    return sequences


def short(sequences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    sequences[0]["logprobs"].pop()
    return sequences


def no_logprobs(sequences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**sequence, "logprobs": None} for sequence in sequences]


def refuse(sequences: list[dict[str, Any]]) -> Any:
    raise RuntimeError("the engine fell over")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (nan, "sample 1 of the server's reply: log-probability 2 is nan"),
        (short, "sample 0 of the server's reply has 7 log-probabilities for 8 tokens"),
        (no_logprobs, "sample 0 of the server's reply has no log-probabilities for 8 tokens"),
        (
            lambda sequences: sequences[:2],
            "returned 2 of 3 samples|3 sequence ids for 2",
        ),  # newer SDKs see it themselves
        (refuse, r"gave up on the request \(category server\).*the engine fell over"),
    ],
)
def test_a_poisoned_group_fails_alone(server: TinkerServer, opened: Open, change: Any, complaint: str) -> None:
    server.poison = {PROMPTS[0]: change}
    bad, good = draws(opened(), *PROMPTS[:2])
    assert len(good.result(WAIT)) == 3
    with pytest.raises(SamplingError, match=complaint):
        bad.result(WAIT)


def test_a_prompt_that_leaves_no_room_fails_alone(opened: Open) -> None:
    backend = opened(context_length=5)
    bad, good = draws(backend, "1+2=345", "1=")
    assert len(good.result(WAIT)) == 3
    with pytest.raises(SamplingError, match="the prompt has 7 tokens, but the model takes 5, response included"):
        bad.result(WAIT)


@pytest.mark.parametrize(("status", "kind"), [(429, SamplingError), (500, SamplingError), (402, PluginError)])
def test_errors_of_one_group_and_of_every_request_have_different_types(status: int, kind: type[PluginError]) -> None:
    import httpx
    from tinker import APIStatusError

    response = httpx.Response(status, request=httpx.Request("POST", "http://127.0.0.1"))
    assert type(explained(APIStatusError("no", response=response, body=None), SamplingError)) is kind


@pytest.mark.parametrize(
    ("status", "fix"),
    [
        (401, "create one in the Tinker console"),
        (403, "use a key of the project"),
        (404, "has lost this run's session"),
    ],
)
def test_errors_name_the_fix_and_never_the_key(server: TinkerServer, opened: Open, status: int, fix: str) -> None:
    backend = opened()
    backend.encode("1")
    server.answers["optim_step"] = (status, f"no such luck with {KEY}")
    with pytest.raises(PluginError) as raised:
        backend.optim_step(ADAM).result(WAIT)
    assert fix in str(raised.value)
    assert f"Error code: {status}" in str(raised.value)
    trace = "".join(traceback.format_exception(raised.value))
    assert KEY not in trace
    assert "no such luck with ***" in trace


@pytest.mark.parametrize("status", [402, 429])
def test_faults_that_the_sdk_waits_out_are_explained_too(status: int) -> None:
    import httpx
    from tinker import APIStatusError

    response = httpx.Response(status, request=httpx.Request("POST", "http://127.0.0.1"))
    error = explained(APIStatusError(f"said {KEY}", response=response, body=None))
    assert isinstance(error, PluginError)
    assert f"Tinker ({status})" in str(error)
    assert "resume" in str(error)
    assert KEY not in str(error)


def refused_while_waiting(server: TinkerServer, backend: TinkerBackend, status: int) -> list[PluginError]:
    """The errors of an optimizer step and a sampling, if the server changes its mind before they are done."""
    sampler = backend.sampler()
    sampler.sample([request(backend, PROMPTS[1])])[0].result(WAIT)  # the weights are there
    server.answers["retrieve_future"] = (status, f"no such luck with {KEY}")
    waiting = backend.optim_step(ADAM), sampler.sample([request(backend, PROMPTS[0])])[0]
    errors = [future.exception(WAIT) for future in waiting]
    assert all(isinstance(error, PluginError) for error in errors)
    return errors  # type: ignore[return-value]


def test_a_key_refused_while_waiting_for_an_answer_ends_the_run(server: TinkerServer, opened: Open) -> None:
    for error in refused_while_waiting(server, opened(), 401):
        assert type(error) is PluginError, "no failure of one group: it concerns all"
        assert str(error).startswith("Tinker (401): the key in TINKER_API_KEY is not accepted; create one")
        assert KEY not in str(error)


def test_a_lost_request_is_not_a_lost_checkpoint(server: TinkerServer, opened: Open) -> None:
    trained, sampled = refused_while_waiting(server, opened(), 404)
    assert type(sampled) is SamplingError, "one group's request"
    assert not is_gone(trained)


@pytest.mark.parametrize("path", ["asample", "optim_step", "retrieve_future"])
@pytest.mark.parametrize("faults", [[0, 500, 429], [408]])
def test_the_sdk_makes_up_for_cut_connections_500_429_and_time_outs(
    server: TinkerServer, opened: Open, path: str, faults: list[int]
) -> None:
    backend = opened()
    backend.encode("1")
    server.faults[path] = list(faults)
    train(backend, demonstrations(backend))
    assert len(draws(backend, PROMPTS[0])[0].result(WAIT)) == 3
    assert server.faults[path] == []
    assert len(server.bodies("optim_step")) == 1


def test_a_path_of_another_backend(opened: Open) -> None:
    with pytest.raises(FileNotFoundError, match="runs/x is not a checkpoint on a Tinker server"):
        opened().restore("runs/x", optimizer=True)


def test_closing_leaves_nobody_waiting(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    server.hold = {PROMPTS[0]: threading.Event()}
    waiting = draws(backend, PROMPTS[0])[0]
    backend.close()
    with pytest.raises(PluginError, match="closed before the answer came"):
        waiting.result(WAIT)
    with pytest.raises(PluginError, match="backend is closed"):
        backend.optim_step(ADAM)
    server.hold[PROMPTS[0]].set()


def test_the_sdk_is_imported_only_when_it_is_used() -> None:
    code = (
        "import sys, justtinker_plugins.backends.tinker as t\n"
        "t.Tinker()\n"
        "assert not {'tinker', 'transformers', 'torch'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# -- money -----------------------------------------------------------------------------------------------------------


def test_tokens_cached_by_the_server_are_reported(opened: Open) -> None:
    backend = opened()
    draw = request(backend, PROMPTS[0], n=1)
    reply = types.SimpleNamespace(prompt_cache_hit_tokens=2, sequences=[sequence([5, 6])])
    assert [s.cached for s in wire.samples(draw, reply)] == [2]
    reply = types.SimpleNamespace(sequences=[sequence([5, 6])])  # older SDKs do not report it
    assert [s.cached for s in wire.samples(draw, reply)] == [0]


def sequence(tokens: list[int]) -> types.SimpleNamespace:
    return types.SimpleNamespace(tokens=tokens, logprobs=[-1.0] * len(tokens), stop_reason="stop")


@pytest.mark.parametrize("what", ["the api_key JWT has expired", "host not found"])
def test_other_errors_are_not_a_lost_checkpoint(what: str) -> None:
    assert not is_gone(explained(RuntimeError(what)))
    assert is_gone(explained(RuntimeError("checkpoint tinker://a:train:0/weights/x has expired")))


def test_an_expired_key_is_not_a_lost_checkpoint(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    path = backend.save("start").result(WAIT)
    server.answers["load_weights"] = (403, "the API key has expired")
    with pytest.raises(PluginError, match=rf"cannot restore {path}: Tinker \(403\): the key in TINKER_API_KEY may not"):
        backend.restore(path, optimizer=True)


# -- with the core's own loop ----------------------------------------------------------------------------------------


def test_a_run_resumes_from_the_newest_checkpoint_that_has_not_expired(server: TinkerServer, tmp_path: Path) -> None:
    server.context_length = 512
    file = tmp_path / "wire.toml"
    file.write_text(wire_config(server.url))
    run_dir = RunDir.create(tmp_path / "run", resolved(config_files.read(file)).dump()).path
    assert run_loop(run_dir) == "finished"
    whole = [without_times(step) for step in lines(run_dir / "steps.jsonl")]
    assert whole[-1]["metrics"]["loss"] < whole[0]["metrics"]["loss"]
    saved = lines(run_dir / "checkpoints.jsonl")
    for path in {record["path"] for record in saved if record["step"] > 2}:
        del server.saved[path]
    assert run_loop(run_dir) == "finished"
    kinds = [(record["step"], record["kind"]) for record in lines(run_dir / "checkpoints.jsonl")]
    assert kinds == [(1, "periodic"), (2, "periodic"), (3, "periodic"), (4, "final"), (4, "best")]
    assert [without_times(step) for step in lines(run_dir / "steps.jsonl")] == whole
    assert KEY not in "".join(path.read_text() for path in run_dir.rglob("*.*") if path.suffix in (".jsonl", ".toml"))


def failing(server: TinkerServer, tmp_path: Path) -> str:
    """The error of a run of four steps, without the advice on how to go on."""
    server.context_length = 512
    (tmp_path / "wire.toml").write_text(wire_config(server.url))
    result = cli("train", tmp_path / "wire.toml", "--dir", tmp_path / "run")
    assert result.exit_code == 1
    assert [step["step"] for step in lines(tmp_path / "run/checkpoints.jsonl")] == [1, 2]
    *_, error, advice, anew = result.output.splitlines()
    again = f"justtinker train --resume {tmp_path / 'run'}"
    assert advice == f"failed; fix the cause, then resume with the same config: {again}"
    assert anew.startswith("or, if its config is the cause, train another from the newest checkpoint: justtinker train")
    return error


LAST_GOOD = "; the last good checkpoint is of step 2: tinker://session0:train:0/weights/step_000002"


def test_a_poisoned_training_result_ends_the_run(
    server: TinkerServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Weights.forward_backward

    def poisoned(weights: Weights, *arguments: Any) -> list[Any]:
        outputs = whole(weights, *arguments)
        outputs[0][-1] = float("nan") if weights.steps == 2 else outputs[0][-1]
        return outputs

    monkeypatch.setattr(Weights, "forward_backward", poisoned)
    error = failing(server, tmp_path)
    assert error.startswith("Error: training failed at step 3: the cross_entropy loss, from the server's log-prob")
    assert error.endswith(LAST_GOOD)


def test_a_checkpoint_that_the_server_cannot_save_ends_the_run(
    server: TinkerServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = TinkerServer.save_weights

    def full(world: TinkerServer, body: dict[str, Any]) -> Any:
        return save(world, body) if len(world.saved) < 2 else world.future({"error": "full", "category": "server"})

    monkeypatch.setattr(TinkerServer, "save_weights", full)
    error = failing(server, tmp_path)
    assert error.startswith(
        f"Error: cannot save the checkpoint of step 3 in {tmp_path / 'run'}: Tinker gave up on the request"
    )
    assert error.endswith(LAST_GOOD)


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "seconds"}


RL = CONFIG.replace('"sft", "exact"', '"grpo", "exact", "correct", "group_mean"').replace(
    "[plugins.sft]\nbatch_size = 4",
    "[plugins.grpo]\nproblems_per_step = 10\nrollouts_per_problem = 3",
)


def test_a_poisoned_group_of_a_run_is_left_out_and_counted(server: TinkerServer, tmp_path: Path) -> None:
    server.context_length = 512
    file = tmp_path / "rl.toml"
    file.write_text(RL.format(url=server.url, plugin=sys.modules[Tinker.__module__].__file__))
    run_dir = RunDir.create(tmp_path / "run", resolved(config_files.read(file, ["run.steps=1"])).dump()).path
    configured = config_files.read(run_dir)
    with loop.opened(Run(configured, open_plugins(configured), RunDir(run_dir))) as run:
        first = run.draw(1, 10, run.train_problems)[0]
        server.poison = {run.prompt(first).text: nan}
        assert loop.train(run) == "finished"
    [step] = lines(run_dir / "steps.jsonl")
    assert step["metrics"]["failed_groups"] == 1
    assert step["metrics"]["rollouts"] == 27
