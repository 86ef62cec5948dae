"""Tests of what every backend must do. Subclass `BackendConformance` and add a fixture that returns how to open one:

    class TestMine(BackendConformance):
        @pytest.fixture
        def fresh(self): ...

Each call of ``fresh()`` opens a backend with the same weights. Any model will do; it need not have learned anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from justtinker_core.testing._backend_data import (
    ADAM,
    PROMPTS,
    WAIT,
    demonstration,
    demonstrations,
    logprobs_of,
    loss_of,
    policy_datum,
    request,
    rollouts_off_policy,
    sample,
    tokens,
    train,
)
from justtinker_core.testing._losses import CONFIGS, WIDE, closed_form
from justtinker_core.types import Adam, Backend, Datum, Loss, LossChecker

__all__ = [
    "ADAM",
    "PROMPTS",
    "WAIT",
    "BackendConformance",
    "demonstration",
    "demonstrations",
    "logprobs_of",
    "loss_of",
    "policy_datum",
    "request",
    "sample",
    "tokens",
    "train",
]

Fresh = Callable[[], Backend]
GENTLE = Adam(learning_rate=1e-3, eps=1e-3)  # with eps 1e-12 a gradient of 0 +- rounding moves its weight fully


def skip_if_refused(backend: Backend, loss: Loss) -> None:
    """Skip a loss that the backend says it cannot compute; one that cannot say it is asked for the oldest two only."""
    if isinstance(backend, LossChecker):
        refused = backend.check_loss(loss, CONFIGS[loss])
    else:
        refused = (
            "" if loss in ("importance_sampling", "ppo") else "it has no check_loss to say which losses it computes"
        )
    if refused:
        pytest.skip(refused)


class BackendConformance:
    """The tests. A subclass with a fixture `fresh` runs them against its backend."""

    bit_for_bit = True
    """Whether a restored state continues with exactly the same numbers (True on the CPU)."""
    sums = True
    """Whether the reported loss is the sum. Set False if a server reports means; its gradients are still tested."""

    @pytest.fixture
    def backend(self, fresh: Fresh) -> Backend:
        return fresh()

    def test_encode_and_decode_are_a_round_trip(self, backend: Backend) -> None:
        text = "<think>7+8=15, 4+3+1=8</think>\\boxed{85}" + backend.end_token
        assert backend.decode(backend.encode(text)) == text
        assert backend.encode("") == []
        assert len(backend.encode(backend.end_token)) == 1

    def test_render_frames_the_message_and_opens_the_assistants_turn(self, backend: Backend) -> None:
        turn = {"role": "user", "content": "47+38=?"}
        prompt = backend.render([turn])
        assert all(prompt.text.partition(turn["content"]))
        assert prompt.tokens == tuple(backend.encode(prompt.text))
        assert prompt.stop
        assert backend.render([turn, {"role": "assistant", "content": "85"}, turn]).text != prompt.text

    def test_a_prompt_given_as_text_stays_as_it_is(self, backend: Backend) -> None:
        prompt = backend.render("47+38=")
        assert prompt.text.endswith("47+38=")
        assert backend.decode(prompt.tokens) == prompt.text
        assert prompt.stop == (backend.end_token,)

    def test_a_request_gets_its_number_of_samples(self, backend: Backend) -> None:
        requests = [request(backend, PROMPTS[0], n=n, max_tokens=5) for n in (1, 0, 4)]
        samples = sample(backend.sampler(), *requests)
        assert [len(s) for s in samples] == [1, 0, 4]
        assert all(len(s.tokens) == len(s.logprobs) <= 5 for group in samples for s in group)
        assert backend.sampler().sample([]) == []

    def test_sampled_logprobs_equal_recomputed_ones(self, backend: Backend) -> None:
        train(backend, demonstrations(backend), 2)
        requests = [request(backend, text, temperature=t, top_p=p) for text in PROMPTS for t, p in ((1, 1), (0.6, 0.9))]
        groups = sample(backend.sampler(), *requests)
        pairs = [(q.tokens, s) for q, group in zip(requests, groups, strict=True) for s in group]
        result = backend.forward_backward([policy_datum(p, s, 1.0) for p, s in pairs], "ppo", {}).result(WAIT)
        for (prompt, sampled), recomputed in zip(pairs, result.logprobs, strict=True):
            assert recomputed[len(prompt) - 1 :] == pytest.approx(sampled.logprobs, abs=1e-4)

    def test_a_sample_does_not_depend_on_its_company(self, backend: Backend) -> None:
        requests = [request(backend, text, seed=i) for i, text in enumerate(PROMPTS)]
        together = sample(backend.sampler(), *requests)
        alone = [sample(backend.sampler(), replace(q, n=2))[0] for q in reversed(requests)][::-1]
        assert [tokens(group[:2]) for group in together] == [tokens(group) for group in alone]

    def test_samples_follow_the_seed(self, fresh: Fresh) -> None:
        one, two = fresh(), fresh()
        draw = request(one, PROMPTS[0], n=4)
        assert sample(one.sampler(), draw) == sample(two.sampler(), draw)
        assert tokens(sample(one.sampler(), draw)[0]) != tokens(sample(one.sampler(), replace(draw, seed=8))[0])
        assert len(set(tokens(sample(one.sampler(), draw)[0]))) > 1

    def test_temperature_0_takes_the_likeliest_token(self, backend: Backend) -> None:
        greedy, draws = sample(
            backend.sampler(),
            request(backend, PROMPTS[0], temperature=0.0, n=2, max_tokens=1),
            request(backend, PROMPTS[0], n=64, max_tokens=1),
        )
        assert greedy[0] == greedy[1]
        assert greedy[0].logprobs[0] >= max(s.logprobs[0] for s in draws) - 1e-4

    def test_a_tiny_top_p_is_greedy(self, backend: Backend) -> None:
        nucleus, greedy = sample(
            backend.sampler(),
            request(backend, PROMPTS[0], top_p=1e-6),
            request(backend, PROMPTS[0], temperature=0.0),
        )
        assert tokens(nucleus) == tokens(greedy)

    def test_a_stop_ends_the_sample_and_is_part_of_it(self, backend: Backend) -> None:
        free = sample(backend.sampler(), request(backend, PROMPTS[1], n=1, max_tokens=12))[0][0]
        assert not free.stopped
        stop = backend.decode(free.tokens[4:5])
        first = next(i for i, t in enumerate(free.tokens) if backend.decode([t]) == stop)
        stopped = sample(backend.sampler(), request(backend, PROMPTS[1], n=1, max_tokens=12, stop=(stop,)))[0][0]
        assert stopped.tokens == free.tokens[: first + 1]
        assert stopped.stopped

    def test_a_stop_of_several_tokens(self, backend: Backend) -> None:
        free = sample(backend.sampler(), request(backend, PROMPTS[1], n=1, max_tokens=12))[0][0]
        stop = backend.decode(free.tokens[3:6])
        stopped = sample(backend.sampler(), request(backend, PROMPTS[1], n=1, max_tokens=12, stop=(stop,)))[0][0]
        assert stopped.tokens == free.tokens[: len(stopped.tokens)]
        assert backend.decode(stopped.tokens).endswith(stop)
        assert len(stopped.tokens) <= 6
        assert stopped.stopped

    def test_a_prompt_that_does_not_fit_is_an_error_of_its_own(self, backend: Backend) -> None:
        prompt = backend.encode(PROMPTS[0])
        long = (prompt * (backend.context_length // len(prompt) + 1))[: backend.context_length]
        good, bad = backend.sampler().sample(
            [request(backend, PROMPTS[0]), replace(request(backend, PROMPTS[0]), tokens=tuple(long))]
        )
        assert len(good.result(WAIT)) == 3
        with pytest.raises(Exception, match="prompt"):
            bad.result(WAIT)

    def test_the_loss_of_demonstrations_is_the_weighted_sum(self, backend: Backend) -> None:
        data = demonstrations(backend)
        result = backend.forward_backward(data, "cross_entropy", {}).result(WAIT)
        assert [len(p) for p in result.logprobs] == [len(d.targets) for d in data]
        expected = -sum(np.dot(d.weights or (), p) for d, p in zip(data, result.logprobs, strict=True))
        if self.sums:
            assert result.loss == pytest.approx(expected, rel=1e-4)
            assert loss_of(backend, data * 3) == pytest.approx(3 * expected, rel=1e-4)

    @pytest.mark.parametrize("loss", CONFIGS)
    def test_policy_losses_follow_their_formulas(self, backend: Backend, loss: Loss) -> None:
        config, data = CONFIGS[loss], rollouts_off_policy(backend)
        skip_if_refused(backend, loss)
        result = backend.forward_backward(data, loss, config).result(WAIT)
        pairs = list(zip(data, result.logprobs, strict=True))
        losses = [closed_form(loss, d, p, config)[0].sum() for d, p in pairs]
        if config and loss != "dro":
            assert sum(losses) != pytest.approx(sum(closed_form(loss, d, p, WIDE)[0].sum() for d, p in pairs), rel=1e-3)
        if self.sums:
            assert result.loss == pytest.approx(sum(losses), rel=1e-4, abs=1e-4)

    @pytest.mark.parametrize("loss", CONFIGS)
    def test_gradients_of_policy_losses_follow_their_formulas(self, fresh: Fresh, loss: Loss) -> None:
        """Cross-entropy with the negative derivatives for weights has the same gradient."""
        if not self.sums:
            pytest.skip("the server divides each loss by a number of its own")
        policy, weighted = fresh(), fresh()
        data = rollouts_off_policy(policy)
        skip_if_refused(policy, loss)
        result = policy.forward_backward(data, loss, CONFIGS[loss]).result(WAIT)
        slopes = [closed_form(loss, d, p, CONFIGS[loss])[1] for d, p in zip(data, result.logprobs, strict=True)]
        same = [Datum(d.inputs, d.targets, weights=tuple(-slope)) for d, slope in zip(data, slopes, strict=True)]
        weighted.forward_backward(same, "cross_entropy", {}).result(WAIT)
        gentler = replace(GENTLE, eps=1e-2)  # float32 rounds what goes over a wire
        norms = [backend.optim_step(gentler).result(WAIT).get("grad_norm") for backend in (policy, weighted)]
        assert norms[0] == pytest.approx(norms[1], rel=1e-3)
        np.testing.assert_allclose(logprobs_of(policy, same), logprobs_of(weighted, same), atol=2e-4)

    def test_two_half_batches_give_the_gradient_of_the_whole(self, fresh: Fresh) -> None:
        whole, halves = fresh(), fresh()
        data = demonstrations(whole)
        whole.forward_backward(data, "cross_entropy", {}).result(WAIT)
        for part in (data[:1], data[1:]):
            halves.forward_backward(part, "cross_entropy", {}).result(WAIT)
        norms = [backend.optim_step(GENTLE).result(WAIT).get("grad_norm") for backend in (whole, halves)]
        assert norms[0] == pytest.approx(norms[1], rel=1e-4)
        np.testing.assert_allclose(logprobs_of(whole, data), logprobs_of(halves, data), atol=2e-4)

    def test_an_optimizer_step_clears_the_gradient(self, fresh: Fresh) -> None:
        used, unused = fresh(), fresh()
        data = demonstrations(used)
        used.forward_backward(data[1:], "cross_entropy", {}).result(WAIT)
        used.optim_step(Adam(learning_rate=0.0, beta1=0.0, beta2=0.0)).result(WAIT)
        for backend in (used, unused):
            backend.forward_backward(data[:1], "cross_entropy", {}).result(WAIT)
            backend.optim_step(Adam(learning_rate=1e-2, beta1=0.0, beta2=0.0, eps=1e-3)).result(WAIT)
        np.testing.assert_allclose(logprobs_of(used, data), logprobs_of(unused, data), atol=1e-4)

    def test_training_lowers_the_loss(self, backend: Backend) -> None:
        data = demonstrations(backend)
        first = loss_of(backend, data)
        train(backend, data, 3)
        assert loss_of(backend, data) < 0.9 * first

    def test_a_positive_advantage_makes_what_was_sampled_likelier(self, backend: Backend) -> None:
        draw = request(backend, PROMPTS[0], n=1)
        sampled = sample(backend.sampler(), draw)[0][0]
        data = [policy_datum(draw.tokens, sampled, 1.0)]
        backend.forward_backward(data, "importance_sampling", {}).result(WAIT)
        backend.optim_step(ADAM).result(WAIT)
        after = backend.forward_backward(data, "importance_sampling", {}).result(WAIT).logprobs[0]
        assert sum(after[len(draw.tokens) - 1 :]) > sum(sampled.logprobs)

    def test_calls_take_effect_in_their_order(self, fresh: Fresh) -> None:
        waiting, ahead = fresh(), fresh()
        data, draw = demonstrations(waiting), request(waiting, PROMPTS[1], n=4)
        train(waiting, data, 3)
        expected = sample(waiting.sampler(), draw)
        futures = [
            f for _ in range(3) for f in (ahead.forward_backward(data, "cross_entropy", {}), ahead.optim_step(ADAM))
        ]
        assert tokens(sample(ahead.sampler(), draw)[0]) == tokens(expected[0])
        assert all(f.done() for f in futures)

    def test_a_restored_state_continues_as_if_nothing_had_happened(self, fresh: Fresh) -> None:
        steady, resumed = fresh(), fresh()
        data = demonstrations(steady)
        train(steady, data, 2)
        path = steady.save("halfway").result(WAIT)
        train(steady, data, 2)
        train(resumed, data[:1], 1)
        loss_of(resumed, data[:1])  # a gradient that must not outlive the restore
        resumed.restore(path, optimizer=True)
        train(resumed, data, 2)
        tolerance = 0.0 if self.bit_for_bit else 1e-4
        np.testing.assert_allclose(logprobs_of(resumed, data), logprobs_of(steady, data), rtol=0, atol=tolerance)
        draw = request(steady, PROMPTS[0])
        assert tokens(sample(resumed.sampler(), draw)[0]) == tokens(sample(steady.sampler(), draw)[0])

    def test_restoring_without_the_optimizer_starts_a_fresh_one(self, fresh: Fresh) -> None:
        first, fresh_adam, old_adam = fresh(), fresh(), fresh()
        data = demonstrations(first)
        train(first, data, 3)
        path = first.save("weights").result(WAIT)
        fresh_adam.restore(path, optimizer=False)
        old_adam.restore(path, optimizer=True)
        saved = logprobs_of(first, data)
        for backend in (fresh_adam, old_adam):
            np.testing.assert_allclose(logprobs_of(backend, data), saved, atol=1e-5)
            backend.optim_step(ADAM).result(WAIT)
        assert np.abs(logprobs_of(fresh_adam, data) - logprobs_of(old_adam, data)).max() > 1e-3

    def test_a_checkpoint_that_is_gone(self, backend: Backend) -> None:
        path = backend.save("here").result(WAIT)
        with pytest.raises(FileNotFoundError, match="here-no-more"):
            backend.restore(path + "-no-more", optimizer=True)

    def test_an_error_reaches_the_future_and_the_backend_goes_on(self, backend: Backend) -> None:
        data = demonstrations(backend)
        broken = replace(data[0], weights=data[0].weights[1:] if data[0].weights else None)
        with pytest.raises(Exception, match="weights"):
            backend.forward_backward([broken], "cross_entropy", {}).result(WAIT)
        train(backend, data)

    def test_closing_twice_is_fine(self, backend: Backend) -> None:
        backend.close()
        backend.close()
