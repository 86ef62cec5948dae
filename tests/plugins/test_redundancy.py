from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from justtinker_core import PluginError
from justtinker_core.options import configure
from justtinker_core.testing import make_group
from justtinker_plugins.commands.bench import made_up_texts, plain_chunk_similarity, plain_compression, plain_repetition
from justtinker_plugins.rewards.redundancy import Redundancy
from justtinker_plugins.shared.redundancy import chunks, exact, fast, flat
from justtinker_plugins.shared.redundancy.flat import MATHEMATICS, Coefficients, fit
from justtinker_plugins.shared.redundancy.ngrams import repeated_shares
from justtinker_plugins.shared.redundancy.reading import encode
from tests.plugins import case_lists, synonym_loops
from tests.plugins.case_lists import case_list
from tests.plugins.loop_disguises import DISGUISES, SENTENCE, disguised, hosts, penalties
from tests.plugins.reasoning_data import Judged, judge, labelled, with_loops
from tests.plugins.reward_groups import scored
from tests.plugins.synonym_loops import synonym_loop

METHODS: list[Any] = ["exact", "fast", "flat"]
HEALTHY = made_up_texts(4, 800)
LOOP = "So the answer is 12, wait, let me check that again. " * 60

# Pieces that break a careless reading: every kind of white space, NUL, lone surrogates, long words, other scripts.
spaces = " \n\t\x1c\x85\xa0\u1680\u2009\u2028\u205f\u3000"
letters = "abAB*,.()\x00\ud800\udfff\u200b\u00e9\u221a\u4e00\U0001f600"
words = [
    "12",
    "13",
    "abcdefgh",
    "abcdefgi",
    "x" * 32,
    "x" * 33,
    "x" * 64,
    "x" * 64 + "y",
    "the same words over and over again ",
]
pieces = st.sampled_from([*spaces, *letters, *words])
texts = st.lists(pieces, max_size=80).map("".join)
long_texts = st.tuples(texts, st.integers(1, 40)).map(lambda t: t[0] * t[1])
anything = st.one_of(st.text(max_size=300), long_texts)


def plain_cut_repetition(words: list[bytes]) -> float:
    cut = [[w[i : i + 8] for i in range(0, len(w), 8)] if len(w) > 64 else [w] for w in words if w]
    return plain_repetition(" ".join(piece.hex() for pieces in cut for piece in pieces), 16)


def plain_loose_repetition(text: str, mask_digits: bool) -> float:
    masked = re.sub("[0-9]", "0", text) if mask_digits else text
    loose = [re.sub("[^a-z0-9]", "", re.sub("[A-Z]", lambda m: m[0].lower(), word)).encode() for word in masked.split()]
    share = plain_cut_repetition(loose)
    if sum(map(len, loose)) >= 0.53 * len(text.encode("utf-8", "surrogatepass")):
        return share
    return max(share, plain_cut_repetition([word.encode("utf-8", "surrogatepass") for word in masked.split()]))


@pytest.mark.parametrize("length", [*range(1, 42), 64, 65])
def test_a_word_is_known_by_each_of_its_bytes(length: int) -> None:
    word = bytearray(b"a" * length)
    others = [bytes(word)]
    for i in range(length):
        for changed in (b"b", b"\xe1", b"\0"):
            others.append(bytes(word[:i] + changed + word[i + 1 :]))
        others.append(bytes(word[:i]))
    data = [b" ".join(others), b" ".join([*others, *others])]
    distinct = len(set(others) - {b""})
    assert repeated_shares(data, 1, min_words=1).shares.tolist() == [0.0, 1 - distinct / (2 * distinct)]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_texts_of_any_size_and_order_beside_other_work(workers: int) -> None:
    draw = random.Random(workers)
    sizes = [0, 1, 5, 9, 10, 11, *(int(10 ** draw.uniform(1, 4.3)) for _ in range(150)), 120_000]
    draw.shuffle(sizes)
    batch = [" ".join(draw.choices(["so", "it", "is", "twelve", "and a bit"], k=size)) for size in sizes]
    expected = [plain_repetition(text) for text in batch]
    data = [encode(text) for text in batch]
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        pool.submit(time.sleep, 0.02)  # what they are busy with at first
        assert repeated_shares(data, 5, pool=pool if workers else None).shares.tolist() == expected


def test_the_example_of_the_docs(capsys: pytest.CaptureFixture[str]) -> None:
    page = Path(__file__).parents[2] / "docs" / "redundancy.md"
    (example,) = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    exec(example, {})
    assert capsys.readouterr().out.strip() == example.rpartition("#")[2].strip()


@given(st.lists(anything, max_size=4))
def test_exact_is_the_recipe_to_the_last_digit(batch: list[str]) -> None:
    scores = exact.score_batch(batch)
    compression, repetition = [plain_compression(t) for t in batch], [plain_repetition(t) for t in batch]
    assert scores["compression"].tolist() == compression
    assert scores["ngram_repetition"].tolist() == repetition
    combined = [0.6 * c + 0.4 * g for c, g in zip(compression, repetition, strict=True)]
    assert scores["redundancy_score"].tolist() == combined
    assert scores["chunk_similarity"].tolist() == [plain_chunk_similarity(t) for t in batch]


@pytest.mark.parametrize("mask_digits", [False, True])
@given(batch=st.lists(anything, max_size=4))
def test_loose_16_grams_are_those_of_a_set(mask_digits: bool, batch: list[str]) -> None:
    data = [encode(text) for text in batch]
    shares = flat.repeated_16_grams(data, mask_digits)[0].tolist()
    assert shares == [plain_loose_repetition(t, mask_digits) for t in batch]


marks = st.sampled_from(["", *"*_.,;:!?'()[]{}\\$-#|", "**", "\u200b", "\u2014", "\u0301", "\x00", "\U0001f600"])
dress = st.tuples(st.booleans(), marks, st.integers(0, 9))


@given(st.lists(dress, min_size=40, max_size=40))
def test_case_and_marks_are_not_seen(dresses: list[tuple[bool, str, int]]) -> None:
    bare = f"{SENTENCE} " * 3
    dressed = []
    for word, (upper, mark, at) in zip(bare.split(), [*dresses, *dresses], strict=False):
        word = word.upper() if upper else word
        dressed.append(word[:at] + mark + word[at:])
    share, same = flat.repeated_16_grams([encode(bare), encode("  ".join(dressed))], True)[0]
    assert share == same > 0.4


def test_what_drops_out_is_still_a_loop() -> None:
    for loop in ("- ", "() ", "()", "= + \n", "\u4f60\u597d ", "\u4f60\u597d\u3000\u3002"):
        batch = [loop * 400, HEALTHY[0] + loop * (len(HEALTHY[0]) // len(loop))]
        assert flat.score_batch(batch)["ngram_repetition"].min() > 0.3, loop
        assert flat.fined_share(batch, MATHEMATICS) == 1, loop


def test_a_text_of_nothing_but_marks_and_a_short_one() -> None:
    odd = ["", "...", "\x00" * 9, "- " * 20, "\u3000" * 40, "*a* " * 31]
    assert flat.repeated_16_grams([encode(t) for t in odd], True)[0].tolist()[:3] == [0.0] * 3
    assert flat.repeated_16_grams([], True)[0].tolist() == []


@pytest.mark.parametrize("size", [999, 1000, 1249, 1250, 1251, 1499, 1500, 4321])
@pytest.mark.parametrize("alphabet", ["ab", "\x00 a", "abcdefghij \u221a\u2264\u03c0", "\ud800\ud801"])
def test_chunk_similarity_at_the_edges(size: int, alphabet: str) -> None:
    text = "".join(random.Random(size).choices(alphabet, k=size))
    batch = [text, text[::-1] * 2]
    similar = chunks.chunk_similarities(batch, [encode(t) for t in batch])
    assert similar.tolist() == [plain_chunk_similarity(t) for t in batch]


def test_chunk_similarity_of_a_large_alphabet() -> None:
    text = "".join(map(chr, random.Random(0).choices(range(0x4E00, 0x9000), k=3000)))
    batch = [text, text[:700] * 3, HEALTHY[0]]
    similar = chunks.chunk_similarities(batch, [encode(t) for t in batch])
    assert similar.tolist() == [plain_chunk_similarity(t) for t in batch]


def test_the_recipes_published_ends() -> None:
    loop, short = exact.score_batch([LOOP, "<think>2 and 2 is 4.</think>So it is \\boxed{4}."])["redundancy_score"]
    assert loop > 0.89
    assert short == 0.0


def test_the_recipes_penalty() -> None:
    plugin = Redundancy(method="exact")
    group = make_group([LOOP])
    (score,) = plugin.measure(group)["redundancy_score"]
    (raw,) = plugin.score(group)["redundancy"]
    assert raw is not None
    assert raw * plugin.default_weight == pytest.approx(-0.3 * (score - 0.3) / 0.7, rel=1e-15)


@pytest.mark.parametrize("method", METHODS)
def test_only_correct_answers_unless_told(method: Any) -> None:
    batch, outcomes = [LOOP, LOOP, LOOP, "4"], ["correct", "incorrect", "unscored", "correct"]
    first, *rest = scored(Redundancy(method=method), batch, outcomes)
    assert first is not None
    assert first < -0.5
    assert rest == [None, None, 0.0]
    assert scored(Redundancy(method=method, only_correct=False), batch, outcomes) == [first] * 3 + [0.0]


def test_threshold() -> None:
    (score,) = Redundancy(method="exact").measure(make_group([HEALTHY[0]]))["redundancy_score"]
    assert scored(Redundancy(method="exact", threshold=round(score + 0.01, 3)), [HEALTHY[0]]) == [0.0]
    (raw,) = scored(Redundancy(method="exact", threshold=0.0), [HEALTHY[0]])
    assert raw == -score


def test_measures_by_method() -> None:
    both = {"redundancy_score", "redundancy_penalty", "ngram_repetition"}
    names = {method: set(Redundancy(method=method).measure(make_group([LOOP]))) for method in METHODS}
    assert names["exact"] == both | {"compression", "chunk_similarity"}
    assert names["fast"] == both | {"compression"}
    assert names["flat"] == both | {"excess_compression", "missing_rare_words"}
    assert set(Redundancy(vocabulary=False).measure(make_group([LOOP]))) == both | {"excess_compression"}


def test_what_was_measured_is_not_computed_again() -> None:
    from dataclasses import replace

    group = replace(make_group(["a", "b"]), measures={"redundancy_penalty": (0.25, 0.0)})
    assert Redundancy().score(group) == {"redundancy": [-0.25, 0.0]}


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=40)
@given(batch=st.lists(anything, min_size=1, max_size=4), order=st.randoms())
def test_raw_stays_in_range_and_order_does_not_matter(method: Any, batch: list[str], order: Any) -> None:
    raw = scored(Redundancy(method=method), batch)
    assert all(r is not None and -1 <= r <= 0 for r in raw)
    shuffled = list(range(len(batch)))
    order.shuffle(shuffled)
    assert scored(Redundancy(method=method), [batch[i] for i in shuffled]) == [raw[i] for i in shuffled]


@pytest.mark.parametrize("method", METHODS)
def test_no_texts(method: Any) -> None:
    assert scored(Redundancy(method=method), []) == []


@settings(max_examples=200)
@given(
    st.one_of(
        long_texts, st.text(min_size=500, max_size=900), st.binary(min_size=500).map(lambda b: b.decode("latin1"))
    )
)
def test_writing_a_text_twice_never_lowers_the_flat_score(text: str) -> None:
    text = text if len(text) >= 500 else text + HEALTHY[0][:500]
    once, twice = flat.score_batch([text, text * 2])["redundancy_score"]
    assert twice >= once


@pytest.mark.parametrize("copies", [2, 3, 10])
@pytest.mark.parametrize("size", [500, 1000, 5000, 40_000, 200_000, 1_000_000])
def test_copies_of_healthy_text_score_higher_at_any_distance(size: int, copies: int) -> None:
    (text,) = made_up_texts(1, size // 4)
    text = text[:size]
    without_spaces = text.replace(" ", "")
    for once in (text, without_spaces):
        words_aside = Coefficients(vocabulary=False)  # made-up texts have used up their 4,000 words by then
        low, high = flat.score_batch([once, once * copies], words_aside)["redundancy_score"]
        assert low <= 0.3 < high


def test_nothing_is_fined_below_500_characters() -> None:
    short = ["\\boxed{85}", "a" * 499, ("no " * 200)[:499], "\u3042" * 499]
    assert scored(Redundancy(), short) == [0.0] * 4
    assert min(r for r in scored(Redundancy(), ["a" * 500, ("no " * 200)[:500]]) if r is not None) < 0


def test_the_expected_ratio_is_clamped_outside_the_fitted_range() -> None:
    expected = MATHEMATICS.expected_log_ratio(np.array([1.0, 500.0, 1000.0, 32_000.0, 1e7]))
    assert expected[0] == expected[1] == expected[2] != expected[3]
    assert expected[3] == expected[4]


def test_digits_are_masked_unless_told() -> None:
    counting = " ".join(
        f"Case {i}: the number {i} is not a solution, so we try the next of the numbers." for i in range(99)
    )
    masked, plain = (
        flat.score_batch([counting], Coefficients(mask_digits=mask))["ngram_repetition"][0] for mask in (True, False)
    )
    assert masked > 0.9 > 0.1 > plain


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a" * 10_000_000, id="one letter"),
        pytest.param("\u4e00\u4e8c\u4e09" * 3_400_000, id="no white space"),
        pytest.param("12 \x00\ud800 " * 2_000_000, id="words"),
    ],
)
def test_ten_megabytes(method: Any, text: str) -> None:
    (raw,) = scored(Redundancy(method=method), [text], tokens=[1])
    assert raw is not None
    assert raw < -0.4


def test_options_are_checked() -> None:
    with pytest.raises(PluginError, match=re.escape("[plugins.redundancy] method = 'zlib': input should be 'exact'")):
        configure(Redundancy, "plugins.redundancy", {"method": "zlib"})
    with pytest.raises(PluginError, match=re.escape("fitted = [9, 3]: the first length must be below the second")):
        configure(Redundancy, "plugins.redundancy", {"fitted": [9, 3]})
    with pytest.raises(PluginError, match=re.escape("[plugins.redundancy] scale = 0: input should be greater")):
        configure(Redundancy, "plugins.redundancy", {"scale": 0})


def test_a_fit_gives_back_what_healthy_text_is() -> None:
    batch = [text[: 600 + 60 * i] for i, text in enumerate(made_up_texts(120, 2300))]
    fitted = fit(batch)
    excess = flat.score_batch(batch, fitted)["excess_compression"]
    assert abs(float(np.mean(excess))) < 0.1
    assert 0.8 < float(np.std(excess)) < 1.2
    with_loops = batch + [text[:300] * 20 for text in batch[::10]]
    assert fit(with_loops).expected == pytest.approx(fitted.expected, abs=0.05)


def test_a_fit_needs_texts() -> None:
    with pytest.raises(PluginError, match="a fit needs at least 30 healthy texts of 500 or more characters, got 29"):
        fit(["a" * 500] * 29 + ["a" * 499] * 100)


# The bars, on real model outputs.


def test_fast_is_close_to_exact() -> None:
    for name in ("reasoning_texts", "rollout_batch_256"):
        batch, looping = labelled(name)
        slow, quick = (m.score_batch(batch) for m in (exact, fast))
        assert quick["ngram_repetition"].tolist() == slow["ngram_repetition"].tolist()
        error = np.abs(quick["compression"] - slow["compression"])
        assert error.mean() <= 0.01
        assert error[~looping].max() <= 0.05
        assert error.max() <= 0.2


def flat_judged(batch: list[str], looping: Any, coefficients: Coefficients = MATHEMATICS) -> Judged:
    scores = flat.score_batch(batch, coefficients)
    return judge(batch, looping, scores["redundancy_score"])


def meets_the_bars(judged: Judged) -> None:
    assert judged.auc >= 0.995
    assert judged.worst_share_fined <= 1 / 60
    assert abs(judged.correlation) <= 0.1


@pytest.mark.parametrize("name", ["reasoning_texts", "rollout_batch_256"])
def test_flat_meets_the_bars(name: str) -> None:
    judged = flat_judged(*labelled(name))
    meets_the_bars(judged)
    assert judged.missed == 0


def test_the_recipe_does_not() -> None:
    batch, looping = labelled("reasoning_texts")
    judged = judge(batch, looping, exact.score_batch(batch, chunks=False)["redundancy_score"])
    assert judged.worst_share_fined == 1.0
    assert judged.correlation > 0.7


@pytest.mark.parametrize("half", [0, 1])
def test_a_fit_to_half_the_texts_serves_the_other_half(half: int) -> None:
    batch, looping = labelled("reasoning_texts")
    healthy = [text for text, loops in zip(batch, looping, strict=True) if not loops]
    fitted_to = set(healthy[half::2])
    other = [i for i, text in enumerate(batch) if text not in fitted_to]
    judged = flat_judged([batch[i] for i in other], looping[other], fit(healthy[half::2]))
    assert judged.auc >= 0.995
    assert judged.missed == 0
    assert judged.share_fined <= 1 / 60
    assert abs(judged.correlation) <= 0.1


@pytest.mark.parametrize("kind", sorted(with_loops))
def test_every_loop_of_our_own_is_fined(kind: str) -> None:
    make: Callable[[str, random.Random], str] = with_loops[kind]
    batch, looping = labelled("reasoning_texts")
    draw = random.Random(kind)
    loops = [make(text, draw) for text, loop in zip(batch, looping, strict=True) if not loop]
    score = flat.score_batch(loops)["redundancy_score"]
    assert [text for text, s in zip(loops, score, strict=True) if s <= 0.3] == []


CAUGHT = list(DISGUISES)[:16]
"""Up to one word in front of it; what comes after gets through, in part or always: the table in docs/redundancy.md."""


@pytest.mark.parametrize("disguise", CAUGHT)
def test_a_disguised_loop_is_fined(disguise: str) -> None:
    assert penalties(hosts(*labelled("reasoning_texts")), disguise).min() > 0.2


def test_the_texts_that_they_are_put_into_are_not_fined() -> None:
    texts = hosts(*labelled("reasoning_texts"))
    assert len(texts) == 40
    assert flat.fined_share([text[:3000] for text in texts], MATHEMATICS) == 0


SYNONYMS = {
    (kind, size): [synonym_loop(random.Random(f"{kind}{size}{i}"), size, kind) for i in range(20)]
    for kind in sorted(synonym_loops.KINDS)
    for size in (500, 1000, 2000, 4000, 6000, 8000, 12_000)
}


@pytest.mark.parametrize("kind", sorted(synonym_loops.KINDS))
def test_loops_of_synonyms_hardly_repeat_five_words(kind: str) -> None:
    """As little as healthy text of their length, so that nothing but their words gives them away."""
    for text in SYNONYMS[kind, 4000]:
        assert plain_repetition(text) < 0.1
        assert flat.score_batch([text], Coefficients(vocabulary=False))["redundancy_score"][0] < 0.3


@pytest.mark.parametrize(("kind", "size"), sorted(SYNONYMS))
def test_a_loop_of_synonyms_is_fined_once_it_has_used_up_its_words(kind: str, size: int) -> None:
    fined = flat.fined_share(SYNONYMS[kind, size], MATHEMATICS)
    assert fined == 1 if size >= 6000 else fined >= 0.9 if size == 4000 else fined <= 0.2


def test_few_rare_words_alone_are_fined() -> None:
    """The same words, used evenly; and half of them used once."""
    draw = random.Random(0)
    words = ["".join(draw.choices("etaoinshrdlu", k=6)) for _ in range(1200)]
    even = " ".join(draw.sample(words[:200] * 6, 1200))
    rare = " ".join(draw.sample([*words[:600], *words[600:700] * 6], 1200))
    scores = flat.score_batch([even, rare])
    assert scores["redundancy_score"].tolist()[0] > 0.9
    assert scores["missing_rare_words"].tolist()[1] < 0
    assert scores["redundancy_score"].tolist()[1] < 0.3
    assert flat.fined_share([even, rare], Coefficients(vocabulary=False)) == 0


def test_short_texts_and_other_scripts_have_no_vocabulary() -> None:
    few = ["so it is " * 132, "\u4f60\u597d \u4e16\u754c " * 900, "- + = " * 900]
    assert flat.score_batch(few)["missing_rare_words"].tolist() == [0.0] * 3
    assert flat.score_batch(["so it is " * 134])["missing_rare_words"][0] > 5


@pytest.mark.parametrize("kind", sorted(case_lists.KINDS))
@pytest.mark.parametrize("size", [1000, 2000, 4000, 8000])
def test_a_list_of_cases_after_some_reasoning_is_fined_no_more_than_before(kind: str, size: int) -> None:
    starts = hosts(*labelled("reasoning_texts"))
    lists = [case_list(random.Random(i), size, kind, text[: 3 * size // 10]) for i, text in enumerate(starts)]
    now, before = (flat.score_batch(lists, Coefficients(vocabulary=v))["redundancy_score"] > 0.3 for v in (True, False))
    assert int((now & ~before).sum()) <= 3


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_a_disguised_loop_is_fined_in_made_up_text(count: int) -> None:
    host, line = HEALTHY[0][:3000], DISGUISES[f"case, bold, comma, \u2026 on {count} of 16 words"]
    plain, loop = flat.score_batch([host, disguised(host, line, random.Random(count))])["redundancy_score"]
    assert plain < 0.3 < 0.5 < loop
