"""Compute a redundancy score that does not grow with the length of healthy text, and still catches every loop.

The recipe compares the compressed size with a constant. But longer text compresses better, loop or no loop, so its
score is in part a length penalty. Here the compressed size is compared with that of healthy text *of the same length*;
and 16-grams replace the 5-grams, of which long mathematics repeats many. They are read without case, punctuation and
markup, and with every digit masked:

    z = (expected log ratio at this length - log(zstd bytes / UTF-8 bytes)) / scale
    raw = max(z, 0) / 4 + 4 x (share of repeated 16-grams)

Healthy texts have raw scores near 0.1. The penalty begins at 1.25 and is full at 3.25.

A loop of synonyms repeats no 16-grams and compresses little better than healthy text. But it uses up its words: nearly
all of them come up again and again, while in healthy text most different words occur once or twice. So a text is also
fined whose share of such rare words is four standard deviations too low; the greater of the two penalties counts.
Words with a digit always count as rare, since honest lists of cases go through the same numbers again and again.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from justtinker_core import PluginError
from justtinker_plugins.shared.redundancy.compression import ALL, sizes_while, zstd_sizes
from justtinker_plugins.shared.redundancy.exact import Scores
from justtinker_plugins.shared.redundancy.ngrams import Counts, repeated_shares
from justtinker_plugins.shared.redundancy.reading import as_written, encode, loose, masked

SHORT = 500  # characters; shorter texts are never penalised
FINE_FROM, FINE_FULL = 1.25, 3.25
FEWEST = 30  # texts that a fit needs
MISSING_FROM, MISSING_FULL = 4.0, 10.0
FEWEST_WORDS = 400  # with fewer, a loop of synonyms has not used up its words, and honest lists of cases would be fined
RARE = (-0.336, -0.091, 0.0800)
"""Log share of rare words in healthy mathematics: at 600 words, its slope by ln(words), its standard deviation."""
MOSTLY_WORDS = 0.53  # share of letters and digits in a text's bytes; in 95 % of healthy mathematics it is greater


@dataclass(frozen=True)
class Coefficients:
    """How well healthy text compresses. The defaults are for mathematical prose."""

    expected: tuple[float, float, float] = (-1.130, -0.149, 0.028)
    """a, b, c of the expected log ratio a + b y + c y**2, where y = ln(characters / 8000)."""
    scale: float = 0.0903
    """The standard deviation of the log ratio around it."""
    fitted: tuple[int, int] = (1_000, 32_000)
    """The shortest and longest text of the fit, in characters; beyond, the value at that end applies."""
    mask_digits: bool = True
    """Read every digit as 0 in the 16-grams, so that a loop that counts upwards is caught."""
    vocabulary: bool = True
    """Count rare words too, so that a loop of synonyms is caught."""

    def expected_log_ratio(self, characters: NDArray[np.float64]) -> NDArray[np.float64]:
        """The expected log ratio of texts of these lengths (N,)."""
        y = np.log(np.clip(characters, *self.fitted) / 8000)
        a, b, c = self.expected
        return np.asarray(a + b * y + c * y * y)


MATHEMATICS = Coefficients()


def log_ratios(data: Sequence[bytes], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """log(zstd bytes / bytes) of each text (N,)."""
    return np.asarray(np.log(sizes / [max(len(d), 1) for d in data]))


def score_batch(texts: Sequence[str], coefficients: Coefficients = MATHEMATICS) -> Scores:
    """Score N texts; every value is an array (N,).

    - ``excess_compression``: z above, in standard deviations of healthy text; 0 below 500 characters
    - ``ngram_repetition``: share of repeated 16-grams of words, read loosely: no case, no punctuation, digits masked,
      words of more than 64 bytes cut into words of 8; 0 below 32 words or 500 characters
    - ``missing_rare_words``: how few of the different words are rare, in standard deviations of healthy text; 0 below
      400 words or 500 characters; left out unless the coefficients ask for the vocabulary
    - ``redundancy_score``: both on the recipe's scale, where the penalty begins at 0.3 and is full at 1:
      clip(0.3 + 0.7 max((raw - 1.25) / 2, (missing_rare_words - 4) / 6), 0, 1)
    """
    characters = np.array([len(text) for text in texts], np.float64)
    long_enough = characters >= SHORT
    data = [encode(text) for text in texts if len(text) >= SHORT]

    def in_numpy(pool: Executor | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return repeated_16_grams(data, coefficients.mask_digits, coefficients.vocabulary, pool)

    excess, repetition, missing = np.zeros((3, len(texts)))
    sizes, (repetition[long_enough], missing[long_enough]) = sizes_while(data, zstd_sizes, in_numpy, ALL)
    expected = coefficients.expected_log_ratio(characters[long_enough])
    excess[long_enough] = (expected - log_ratios(data, sizes)) / coefficients.scale
    raw = np.maximum(excess, 0.0) / 4 + 4 * repetition
    share = np.maximum(
        (raw - FINE_FROM) / (FINE_FULL - FINE_FROM), (missing - MISSING_FROM) / (MISSING_FULL - MISSING_FROM)
    )
    scores = {"redundancy_score": np.clip(0.3 + 0.7 * share, 0.0, 1.0)}
    scores |= {"excess_compression": excess, "ngram_repetition": repetition}
    return scores | {"missing_rare_words": missing} if coefficients.vocabulary else scores


def repeated_16_grams(
    data: Sequence[bytes], mask_digits: bool, vocabulary: bool = False, pool: Executor | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The share of repeated 16-grams (N,), read loosely, and `missing_rare_words` (N,), or 0.

    The 16-grams of texts of few words are also counted as written, if that gives more.
    """
    counts = repeated_shares(
        data, 16, reading=loose, mask_digits=mask_digits, vocabulary=vocabulary, pool=pool, cut_long_words=True
    )
    shares = counts.shares
    sparse = np.flatnonzero(counts.letters < [MOSTLY_WORDS * len(text) for text in data]).tolist()
    written = masked if mask_digits else as_written
    again = repeated_shares([data[i] for i in sparse], 16, reading=written, cut_long_words=True).shares
    shares[sparse] = np.maximum(shares[sparse], again)
    return shares, missing_rare_words(counts)


def missing_rare_words(counts: Counts) -> NDArray[np.float64]:
    """How few of the different words are rare, in standard deviations below healthy text (N,); 0 below 400 words.

    In a healthy text of any length, some two thirds of its different words occur once or twice (Zipf's law) or have a
    digit. A loop of synonyms has used up its words after a while; from then on it can only repeat them.
    """
    level, slope, scale = RARE
    y = np.log(np.clip(counts.words, FEWEST_WORDS, 6000) / 600)
    below = (level + slope * y - np.log((counts.rare + 1) / (counts.different + 1))) / scale
    return np.where(counts.words < FEWEST_WORDS, 0.0, below)


def fit(texts: Sequence[str]) -> Coefficients:
    """Fit coefficients to texts, nearly all of them healthy; texts of fewer than 500 characters are left out.

    Fits the log ratio against y by least squares, ten times, each time without texts that compress better than expected
    by more than four deviations: these may be loops. If the lengths differ little, the curve is a line or a constant.

    Raises:
        PluginError: fewer than 30 texts are left.
    """
    texts = [text for text in texts if len(text) >= SHORT]
    if len(texts) < FEWEST:
        raise PluginError(
            f"a fit needs at least {FEWEST} healthy texts of {SHORT} or more characters, got {len(texts)}"
        )
    data = [encode(text) for text in texts]
    characters = np.array([len(text) for text in texts], np.float64)
    ratios = log_ratios(data, sizes_while(data, zstd_sizes, lambda _: None)[0])
    healthy = np.ones(len(texts), np.bool_)
    for _ in range(10):
        curve = _fit_curve(characters[healthy], ratios[healthy])
        excess = curve.expected_log_ratio(characters) - ratios
        typical = 1.4826 * float(np.median(np.abs(excess)))  # a standard deviation that outliers do not move
        healthy = excess <= 4 * typical
    return curve


def fined_share(texts: Sequence[str], coefficients: Coefficients) -> float:
    """The share of texts that the coefficients would penalise."""
    return float(np.mean(score_batch(texts, coefficients)["redundancy_score"] > 0.3))


def _fit_curve(characters: NDArray[np.float64], ratios: NDArray[np.float64]) -> Coefficients:
    shortest, longest = int(characters.min()), int(characters.max())
    degree = 2 if longest > 4 * shortest else int(2 * longest > 3 * shortest)
    y = np.log(characters / 8000)
    curve = np.polynomial.Polynomial.fit(y, ratios, degree).convert()
    scale = float(np.std(curve(y) - ratios))
    a, b, c = (*curve.coef.tolist(), 0.0, 0.0)[:3]
    return Coefficients((round(a, 4), round(b, 4), round(c, 4)), max(round(scale, 4), 0.01), (shortest, longest + 1))
