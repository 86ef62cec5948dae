"""The tinker backend: losses as they go over the wire, losses that it refuses, log-probabilities to compare with."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from typing import Any

import numpy as np
import pytest

from justtinker_core.errors import PluginError, SamplingError
from justtinker_core.types import Datum, LossChecker, ReferenceModel

pytest.importorskip("tinker", reason="the tinker backend needs the tinker SDK")

from justtinker_core.testing._backend_data import rollouts_off_policy
from justtinker_core.testing.backends import ADAM, PROMPTS, WAIT, demonstrations, logprobs_of, train
from justtinker_plugins.backends._data import NEEDS
from justtinker_plugins.backends._losses import loss_sum, train_metrics
from justtinker_plugins.backends._tinker import protocol, wire
from justtinker_plugins.backends._tinker.backend import TinkerBackend
from justtinker_plugins.backends._tinker.preflight import setup_complaints
from tests.plugins.tinker_fixtures import Open, draws
from tests.plugins.tinker_server import CONFIGS, TinkerServer

pytestmark = [
    pytest.mark.filterwarnings("error::FutureWarning"),
    pytest.mark.filterwarnings("error::DeprecationWarning:justtinker_plugins"),
]
OLD = protocol.numbers(protocol.sdk_version()) < (0, 34)
knows_gspo = pytest.mark.skipif(OLD, reason="this SDK is older than gspo")
LOSSES = [pytest.param(loss, marks=knows_gspo if loss == "gspo" else ()) for loss in NEEDS if loss != "cross_entropy"]


TRAINING = ("forward", "forward_backward", "optim_step")


# -- what goes over the wire -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_goes_with_its_tensors_and_settings_and_comes_with_all_metrics(
    server: TinkerServer, opened: Open, loss: Any
) -> None:
    backend = opened()
    data = rollouts_off_policy(backend)
    result = backend.forward_backward(data, loss, {}).result(WAIT)
    sent = server.bodies("forward_backward")[-1]
    more = {"sequence_ratio_mask"} if loss == "gspo" else set()
    assert set(sent["data"][0]) == {"model_input", "target_tokens", "logprobs", "advantages", *more}
    assert sent["loss_fn_config"] == CONFIGS.get(loss, {})
    assert result.loss == loss_sum(data, result.logprobs, loss, {})
    assert result.metrics == train_metrics(data, result.logprobs, loss, {}, result.loss)
    assert result.metrics["ratio:max"] > 1


@knows_gspo
def test_gspo_is_told_what_the_policy_wrote(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    data = rollouts_off_policy(backend)
    backend.forward_backward(data, "gspo", {}).result(WAIT)
    for datum, sent in zip(data, server.bodies("forward_backward")[0]["data"], strict=True):
        assert sent["sequence_ratio_mask"].dtype.kind == "f"
        assert tuple(sent["sequence_ratio_mask"]) == datum.mask


def test_the_servers_own_metrics_stay_but_where_ours_have_the_name() -> None:
    output = {"logprobs": type("Tensor", (), {"to_numpy": lambda self: np.array([-1.0])})()}
    reply = type(
        "Reply", (), {"loss_fn_outputs": [output], "metrics": {"loss:sum": 7.0, "clock:sum": 3.0, "none": None}}
    )
    datum = Datum((1,), (2,), logprobs=(-1.0,), advantages=(2.0,), mask=(1.0,))
    metrics = wire.train_result(reply, [datum], "ppo", {}).metrics
    assert (metrics["loss:sum"], metrics["clock:sum"]) == (-2.0, 3.0)
    assert "none" not in metrics


# -- dro -------------------------------------------------------------------------------------------------------------


def test_dro_does_not_pull_the_prompt(server: TinkerServer, opened: Open) -> None:
    """Without advantages, and sampled by this very policy, all that could move is the prompt."""
    backend = opened()
    data = [replace(d, advantages=(0.0,) * len(d.inputs)) for d in rollouts_off_policy(backend)]
    now = backend.forward_backward(data, "importance_sampling", {}).result(WAIT).logprobs
    mine = [replace(d, logprobs=tuple(np.where(np.array(d.mask) != 0, p, 0.0))) for d, p in zip(data, now, strict=True)]
    backend.forward_backward(mine, "dro", {"beta": 1.0}).result(WAIT)
    assert backend.optim_step(ADAM).result(WAIT)["grad_norm"] < 1e-3
    (model,) = server.weights.values()
    as_the_service_has_it = [{k: np.array(v) for k, v in tensors(d).items()} for d in mine]
    model.forward_backward(as_the_service_has_it, "dro", {"beta": 1.0})
    assert np.linalg.norm(model.gradient) > 100, "without care it is pulled"


def tensors(datum: Datum) -> dict[str, Any]:
    return {
        "model_input": datum.inputs,
        "target_tokens": datum.targets,
        "logprobs": datum.logprobs,
        "advantages": datum.advantages,
    }


def test_dro_asks_for_the_prompts_log_probabilities_in_its_turn(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    data = rollouts_off_policy(backend)
    stepped = [backend.forward_backward(demonstrations(backend), "cross_entropy", {}), backend.optim_step(ADAM)]
    result = backend.forward_backward(data, "dro", {}).result(WAIT)
    assert all(future.done() for future in stepped)
    paths = [(path, body.get("forward_only")) for path, body in server.seen if path in TRAINING]
    assert [path for path, _ in paths[:2]] == ["forward_backward", "optim_step"]
    assert [only for _, only in paths[2:]] == [True, False]
    forward, sent = [body["data"] for path, body in server.seen if path in TRAINING and path != "optim_step"][-2:]
    assert not any(datum["weights"].any() for datum in forward)
    for datum, own, at in zip(data, result.logprobs, sent, strict=True):
        expected = np.where(np.array(datum.mask) != 0, datum.logprobs, own)
        np.testing.assert_allclose(at["logprobs"], expected, rtol=1e-6)
    assert result.loss == loss_sum(data, result.logprobs, "dro", {})


def test_a_forward_pass_that_fails_ends_the_gradient_with_its_reason(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    data = rollouts_off_policy(backend)
    backend.encode("1")
    server.answers = {"forward": (400, "no"), "forward_backward": (400, "no")}
    with pytest.raises(PluginError, match=r"Tinker \(400\): the server rejects the request"):
        backend.forward_backward(data, "dro", {}).result(WAIT)


# -- which losses it refuses -----------------------------------------------------------------------------------------


def sdk(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: version)


def test_what_the_service_computes(opened: Open) -> None:
    backend = opened()
    assert isinstance(backend, LossChecker)
    for loss in set(NEEDS) - ({"gspo"} if OLD else set()):
        assert backend.check_loss(loss, {}) == ""  # type: ignore[arg-type]
    assert backend.check_loss("dpo", {}).startswith("unknown loss 'dpo'; expected one of cross_entropy")  # type: ignore[arg-type]


def test_the_service_has_no_dual_clip(opened: Open) -> None:
    backend = opened()
    why = "the Tinker service's ppo has no dual clip: leave dual_clip out, or use the backend 'local', which has it"
    assert backend.check_loss("ppo", {"dual_clip": 3.0}) == why
    with pytest.raises(PluginError) as raised:
        backend.forward_backward(rollouts_off_policy(backend), "ppo", {"dual_clip": 3.0}).result(WAIT)
    assert str(raised.value) == why


def test_gspo_needs_a_newer_sdk(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = opened()
    data = rollouts_off_policy(backend)
    for version in ("0.34.0", "0.38.0", "1.0"):
        sdk(monkeypatch, version)
        assert backend.check_loss("gspo", {}) == ""
    sdk(monkeypatch, "0.33.2")
    why = "SDK 0.33.2 does not know the loss 'gspo', which came with 0.34: pip install 'tinker>=0.34'"
    assert backend.check_loss("gspo", {}) == why
    assert backend.check_loss("cispo", {}) == ""
    with pytest.raises(PluginError) as raised:
        backend.forward_backward(data, "gspo", {}).result(WAIT)
    assert str(raised.value) == why
    monkeypatch.setattr(protocol, "find_spec", lambda name: None)
    assert backend.check_loss("gspo", {}) == "", "that there is no SDK is said elsewhere"


def test_a_server_that_lists_its_losses_is_asked_once_it_is_reached(server: TinkerServer, opened: Open) -> None:
    server.json_only, server.losses = True, ("cross_entropy", "ppo")
    backend = opened()
    assert backend.check_loss("cispo", {}) == ""
    assert not server.seen, "nobody knows yet that it can be reached"
    setup_complaints(backend, None)
    why = f"{server.url} does not take the loss 'cispo': choose one that it takes (cross_entropy, ppo)"
    assert backend.check_loss("cispo", {}) == why
    assert backend.check_loss("ppo", {}) == ""
    assert [path for path, _ in server.seen].count("/openapi.json") == 1


def test_a_server_that_has_answered_is_reached(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    draws(backend, PROMPTS[0])[0].result(WAIT)
    server.json_only, server.losses = True, ("ppo",)
    assert "choose one that it takes (ppo)" in backend.check_loss("cispo", {})


def test_a_server_that_is_gone_is_not_asked(server: TinkerServer, opened: Open) -> None:
    server.stop()
    backend = opened()
    assert "no server answers" in setup_complaints(backend, None)[0]
    assert backend.check_loss("cispo", {}) == ""
    assert "description" not in vars(backend.server)


def described(loss_fn: dict[str, Any]) -> dict[str, Any]:
    """A description whose requests of forward_backward have `loss_fn` without a message around it."""
    content = {"application/json": {"schema": {"properties": {"loss_fn": loss_fn}}}}
    return {
        "paths": {"/api/v1/forward_backward": {"post": {"requestBody": {"content": content}}}},
        "components": {"schemas": {"Kind": {"enum": ["ppo", "cispo"]}}},
    }


@pytest.mark.parametrize(
    ("api", "losses"),
    [
        (described({"enum": ["ppo", "cispo"]}), ("ppo", "cispo")),
        (described({"$ref": "#/components/schemas/Kind"}), ("ppo", "cispo")),
        (described({"const": "ppo"}), ("ppo",)),
        (described({"type": "string"}), ()),
        ({}, ()),
    ],
)
def test_which_losses_a_description_lists(api: dict[str, Any], losses: tuple[str, ...]) -> None:
    assert protocol.losses(api) == losses


# -- log-probabilities to compare with -------------------------------------------------------------------------------

SEQUENCES = [(5, 6, 7, 8, 9, 10), (20, 21), (30, 31, 32, 33)]


def reference(backend: TinkerBackend, path: str | None = None) -> np.ndarray:
    return np.concatenate([f.result(WAIT) for f in backend.reference_logprobs(SEQUENCES, path)])


def own(backend: TinkerBackend) -> np.ndarray:
    return logprobs_of(backend, [Datum(s[:-1], s[1:], weights=(0.0,) * (len(s) - 1)) for s in SEQUENCES])


def test_they_are_those_of_the_weights_before_any_training(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    assert isinstance(backend, ReferenceModel)
    before = own(backend)
    train(backend, demonstrations(backend), 3)
    assert np.abs(own(backend) - before).max() > 0.01
    for _ in range(2):
        np.testing.assert_allclose(reference(backend), before, atol=1e-5)
    assert [body["base_model"] for body in server.bodies("create_sampling_session")] == ["tiny/bigram"]
    assert {body["prompt_logprobs"] for body in server.bodies("asample")} == {True}


def test_those_of_a_checkpoint_are_its_weights(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    train(backend, demonstrations(backend), 2)
    path, saved = backend.save("here").result(WAIT), own(backend)
    train(backend, demonstrations(backend), 2)
    trained = own(backend)
    for _ in range(2):
        np.testing.assert_allclose(reference(backend, path), saved, atol=1e-5)
    assert [body["path"] for body in server.bodies("load_weights")] == [path]
    np.testing.assert_array_equal(own(backend), trained)
    backend.restore(path, optimizer=True)
    np.testing.assert_allclose(own(backend), saved, atol=1e-5)


def test_a_sequence_of_one_token_has_none(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    assert [f.result(WAIT) for f in backend.reference_logprobs([(5,), ()], None)] == [(), ()]
    assert not server.bodies("asample")
    assert backend.reference_logprobs([], None) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda scores: scores[:-1], "the server returned 5 log-probabilities for a sequence of 6 tokens"),
        (lambda scores: [*scores[:-1], float("nan")], "the server's log-probability of token 5 of a sequence is nan"),
        (
            lambda scores: [*scores[:2], None, *scores[3:]],
            "the server's log-probability of token 2 of a sequence is nan",
        ),
        (lambda scores: None, "the server returned no log-probabilities for a sequence of 6 tokens"),
    ],
)
def test_a_spoilt_answer_fails_alone(server: TinkerServer, opened: Open, change: Any, complaint: str) -> None:
    backend = opened()
    server.blur = {backend.decode(SEQUENCES[0]): change}
    spoilt, good, _ = backend.reference_logprobs(SEQUENCES, None)
    assert len(good.result(WAIT)) == 1
    with pytest.raises(SamplingError) as raised:
        spoilt.result(WAIT)
    assert str(raised.value) == complaint


def test_weights_that_are_not_there_reach_every_future(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    gone = "tinker://nobody/weights/nothing"
    for future in backend.reference_logprobs(SEQUENCES, gone):
        with pytest.raises(PluginError, match=f"^cannot sample from the weights of {gone}: .*not found"):
            future.result(WAIT)
    backend.encode("1")
    server.models = ()
    with pytest.raises(PluginError, match=r"^cannot sample from the weights of tiny/bigram: .*not found"):
        reference(backend)
    server.models = (server.base_model,)
    assert len(reference(backend)) == 9
