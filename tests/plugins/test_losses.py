"""The losses of both backends: numpy's and torch's say the same, the gradients are those of the formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core.testing._losses import closed_form
from justtinker_core.types import Datum, Loss
from justtinker_plugins.backends._data import settings_complaint, settings_of
from justtinker_plugins.backends._local.losses import token_losses
from justtinker_plugins.backends._losses import loss_sum, target_losses, train_metrics

torch = pytest.importorskip("torch", reason="the gradients are the local backend's, which needs the 'local' extra")

Case = tuple[list[Datum], list[np.ndarray]]
DUAL = {"dual_clip": 2.0}
ALL: list[tuple[Loss, dict[str, float]]] = [
    ("importance_sampling", {}), ("ppo", {}), ("ppo", DUAL), ("cispo", {}), ("gspo", {}), ("dro", {}),
    ("cispo", {"clip_low_threshold": 0.7, "clip_high_threshold": 1.1}), ("dro", {"beta": 1.0}),
]  # fmt: skip
number = st.floats(-3, 3, allow_subnormal=False).map(lambda x: round(x, 3))


@st.composite
def sequences(draw: Any, longest: int = 6) -> Case:
    """Data whose first targets are the prompt's, with a log-probability (T,) for each target of each."""
    data, logprobs = [], []
    for _ in range(draw(st.integers(1, 3))):
        written = draw(st.integers(1, longest))
        prompt = draw(st.integers(0, 2)) if longest > 1 else 0
        new = np.array(draw(st.lists(number, min_size=prompt + written, max_size=prompt + written))) - 3.0
        far = draw(st.lists(number.filter(lambda x: abs(x) > 0.01), min_size=written, max_size=written))
        advantages = draw(st.lists(number, min_size=written, max_size=written))
        nothing = (0.0,) * prompt
        data.append(
            Datum(
                (1,) * len(new),
                (1,) * len(new),
                logprobs=(*nothing, *(new[prompt:] - far)),
                advantages=(*nothing, *advantages),
                mask=(*nothing, *(1.0,) * written),
            )
        )
        logprobs.append(new)
    return data, logprobs


def in_torch(case: Case, loss: Loss, config: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """The losses (N,) and the derivative of their sum by each log-probability (N,)."""
    data, logprobs = case
    new = torch.tensor(np.concatenate(logprobs), requires_grad=True)
    losses = token_losses(loss, config, new, data)
    losses.sum().backward()
    assert new.grad is not None
    return losses.detach().numpy(), new.grad.numpy()


def formulas(case: Case, loss: Loss, config: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """The same from the closed forms."""
    pairs = zip(*case, strict=True)
    losses, slopes = np.concatenate([closed_form(loss, d, new, settings_of(loss, config)) for d, new in pairs], axis=1)
    return losses, slopes


@pytest.mark.parametrize(("loss", "config"), ALL)
@given(case=sequences())
def test_both_implementations_say_the_same(loss: Loss, config: dict[str, float], case: Case) -> None:
    losses, _ = in_torch(case, loss, config)
    ours = np.concatenate([target_losses(d, new, loss, config) for d, new in zip(*case, strict=True)])
    np.testing.assert_allclose(ours, losses, rtol=1e-4, atol=1e-5)
    assert loss_sum(*case, loss, config) == pytest.approx(losses.sum(), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(("loss", "config"), [pair for pair in ALL if pair[1] != DUAL])
@given(case=sequences())
def test_losses_and_gradients_are_those_of_the_closed_forms(loss: Loss, config: dict[str, float], case: Case) -> None:
    for found, expected in zip(in_torch(case, loss, config), formulas(case, loss, config), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("loss", "config"), [pair for pair in ALL if pair[0] not in ("cispo", "gspo")])
@given(case=sequences())
def test_gradients_without_a_stop_are_the_slopes_of_the_loss(loss: Loss, config: dict[str, float], case: Case) -> None:
    _, gradient = in_torch(case, loss, config)
    data, logprobs = case
    slopes = []
    for datum, new in zip(data, logprobs, strict=True):
        for t in range(len(new)):
            up, down = new.copy(), new.copy()
            up[t], down[t] = new[t] + 1e-6, new[t] - 1e-6
            ahead, behind = (target_losses(datum, x, loss, config)[t] for x in (up, down))
            slopes.append((ahead - behind) / 2e-6)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("loss", ["importance_sampling", "ppo", "cispo", "gspo", "dro"])
@given(case=sequences())
def test_the_prompt_gets_no_gradient(loss: Loss, case: Case) -> None:
    _, gradient = in_torch(case, loss, {})
    assert not gradient[np.concatenate([d.mask for d in case[0]]) == 0].any()


@given(case=sequences())
def test_cispo_without_bounds_has_the_gradient_of_importance_sampling(case: Case) -> None:
    wide = {"clip_low_threshold": 0.0, "clip_high_threshold": 1e6}
    np.testing.assert_allclose(
        in_torch(case, "cispo", wide)[1], in_torch(case, "importance_sampling", {})[1], rtol=1e-5, atol=1e-7
    )


@given(case=sequences(longest=1))
def test_gspo_of_one_token_is_ppo(case: Case) -> None:
    for one, other in zip(in_torch(case, "gspo", {}), in_torch(case, "ppo", {}), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


@given(case=sequences())
def test_dro_without_its_quadratic_term_is_the_plain_policy_gradient(case: Case) -> None:
    _, gradient = in_torch(case, "dro", {"beta": 0.0})
    np.testing.assert_allclose(gradient, -np.concatenate([d.advantages for d in case[0]]), rtol=1e-6)


@given(case=sequences())
def test_a_dual_clip_bounds_the_loss_of_bad_tokens_alone(case: Case) -> None:
    advantages = np.concatenate([d.advantages for d in case[0]])
    (plain, slope), (dual, dual_slope) = in_torch(case, "ppo", {}), in_torch(case, "ppo", DUAL)
    good, bound = advantages >= 0, -2.0 * advantages
    np.testing.assert_array_equal(dual[good], plain[good])
    np.testing.assert_array_equal(dual_slope[good], slope[good])
    np.testing.assert_allclose(dual[~good], np.minimum(plain, bound)[~good], rtol=1e-6)
    assert not dual_slope[~good & (plain > bound * 1.001)].any()


# Two rollouts after a prompt of one target; the sampler's log-probabilities are such that r = 2, 1/2 and 1, 4.
DATA = [
    Datum((1, 2, 3), (2, 3, 4), logprobs=(0.0, -1.0, -1.0), advantages=(0.0, 1.0, 1.0), mask=(0.0, 1.0, 1.0)),
    Datum((1, 2, 3), (2, 3, 4), logprobs=(0.0, -2.0, -3.0), advantages=(0.0, -1.0, -1.0), mask=(0.0, 1.0, 1.0)),
]
NEW = [np.array([-5.0, np.log(2) - 1, -np.log(2) - 1]), np.array([-5.0, -2.0, np.log(4) - 3])]
BY_HAND: list[tuple[Loss, dict[str, float], float, float | None]] = [
    ("importance_sampling", {}, -(2 + 0.5) + (1 + 4), None),
    ("ppo", {}, -(1.2 + 0.5) + (1 + 4), 1 / 4),
    ("ppo", {"dual_clip": 3.0}, -(1.2 + 0.5) + (1 + 3), 2 / 4),
    ("cispo", {"clip_high_threshold": 3.0}, -(2 * NEW[0][1] + 0.5 * NEW[0][2]) + (NEW[1][1] + 3 * NEW[1][2]), 1 / 4),
    ("gspo", {}, -(1 + 1) + (2 + 2), 0.0),
    ("gspo", {"clip_high_threshold": 0.9}, -(0.9 + 0.9) + (2 + 2), 2 / 4),
    ("dro", {"beta": 0.5}, sum(NEW[1][1:]) - sum(NEW[0][1:]) + 0.25 * (2 * np.log(2) ** 2 + np.log(4) ** 2), None),
]


@pytest.mark.parametrize(("loss", "config", "total", "clipped"), BY_HAND)
def test_values_and_metrics_by_hand(loss: Loss, config: dict[str, float], total: float, clipped: float | None) -> None:
    assert loss_sum(DATA, NEW, loss, config) == pytest.approx(total)
    metrics = train_metrics(DATA, NEW, loss, config, total)
    expected = {
        "loss:sum": total,
        "tokens:sum": 4.0,
        "approx_kl:mean": (1 + 0.0 - 0.5 + 3 - np.log(2) * 2) / 4,
        "ratio:std": np.std([2, 0.5, 1, 4]),
        "ratio:max": 4.0,
    }
    assert metrics == pytest.approx(expected if clipped is None else {**expected, "clipped:mean": clipped})


def test_without_a_trained_target_there_is_nothing_to_measure() -> None:
    idle = [Datum((1,), (1,), logprobs=(-1.0,), advantages=(0.0,), mask=(1.0,))]
    assert train_metrics(idle, [[-1.0]], "gspo", {}, 0.0) == {"loss:sum": 0.0, "tokens:sum": 0.0}
    imitated = [Datum((1, 2), (2, 3), weights=(0.0, 2.0))]
    assert loss_sum(imitated, [[-1.0, -3.0]], "cross_entropy", {}) == 6.0
    assert train_metrics(imitated, [[-1.0, -3.0]], "cross_entropy", {}, 6.0) == {"loss:sum": 6.0, "tokens:sum": 1.0}


def test_a_sequence_of_which_nothing_was_written_has_the_ratio_1() -> None:
    told = [Datum((1,), (1,), logprobs=(0.0,), advantages=(0.0,), mask=(0.0,)), *DATA]
    case = (told, [np.array([-9.0]), *NEW])
    np.testing.assert_allclose(in_torch(case, "gspo", {})[0][1:], in_torch((DATA, NEW), "gspo", {})[0])
    assert loss_sum(*case, "gspo", {}) == pytest.approx(loss_sum(DATA, NEW, "gspo", {}))


@pytest.mark.parametrize(
    ("loss", "config", "complaint"),
    [
        ("cispo", {"clip_high_threshold": 3.0}, ""),
        ("ppo", {"dual_clip": 3.0}, ""),
        (
            "dpo",
            {},
            "unknown loss 'dpo'; expected one of cross_entropy, importance_sampling, ppo, cispo, gspo, dro",
        ),
        (
            "gspo",
            DUAL,
            "loss 'gspo' has no setting 'dual_clip'; it has clip_low_threshold, clip_high_threshold",
        ),
        ("dro", {"bet": 1.0}, "loss 'dro' has no setting 'bet'; it has beta"),
        ("dro", {"beta": -1.0}, "loss 'dro': beta = -1: expected 0 or more"),
        ("dro", {"beta": float("nan")}, "loss 'dro': beta = nan: expected a finite number"),
        (
            "ppo",
            {"dual_clip": 1.0},
            "loss 'ppo': dual_clip = 1: expected more than 1, as it bounds the ratio from above",
        ),
        (
            "gspo",
            {"clip_low_threshold": 1.5},
            "loss 'gspo': clip_low_threshold = 1.5: expected at most clip_high_threshold = 1.2",
        ),
    ],
)
def test_settings_that_make_no_sense(loss: Any, config: dict[str, float], complaint: str) -> None:
    assert settings_complaint(loss, config) == complaint
