"""`justtinker serve`: requests a second, p50 and p99, beside calling `Scorer` directly, after equal numbers from both.

    JUSTTINKER_DATA=... pytest -s benchmarks/test_bench_serve.py

A request is a problem with four responses and the standard rewards. All differ: one in ten has a real gold and answer
of answers.jsonl, the others made-up numbers, fractions and polynomials, all behind 4,000 characters of real thinking.
Eight clients ask at the same time, each over one connection; the direct calls come from one thread, and from eight.
The server is a process of its own on the same machine, so clients and server share its cores. With bombs, one request
in a hundred holds an answer that ends a worker. Every figure begins with a scorer or server that has seen nothing;
its first call, which starts the workers and compiles the redundancy score, is not timed.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from justtinker_core import Scorer
from justtinker_plugins.bridges import STANDARD, _stack
from justtinker_plugins.commands._audit import bombs
from tests.bridges.serving import PATIENCE, command
from tests.plugins.reasoning_data import labelled

DATA = os.environ.get("JUSTTINKER_DATA")
REQUESTS, CLIENTS, SHARE = 300, 8, 100
KINDS = ("{}", "\\frac{{{}}}{{{}}}", "x^2-{}x+{}", "{}.{}")
THINKING = "".join(f"Then {n} and {n * n % 97} make {n + n * n % 97}, so we go on with it.\n" for n in range(100))
WARM = {"question": "?", "answer": "\\max(a, b)", "responses": [f"<think>{THINKING}</think>\\boxed{{\\max(b, a)}}"]}
Ask = Callable[[dict[str, Any]], list[float | None]]

pytestmark = pytest.mark.skipif(not DATA, reason="set JUSTTINKER_DATA to the folder of answers.jsonl to run this")


def requests(with_bombs: bool) -> list[dict[str, Any]]:
    """All requests, of which no two are equal."""
    dice = random.Random(0)
    real = [json.loads(line) for line in (Path(DATA or "") / "answers.jsonl").read_text().splitlines()]
    texts = [text.partition("</think>")[0].removeprefix("<think>")[:4000] for text in labelled("reasoning_texts")[0]]
    asked = []
    for place in range(REQUESTS):
        question, gold = f"What is it? ({place})", dice.choice(KINDS).format(place + 2, dice.randrange(2, 99))
        right = f"\\boxed{{{gold}}}"
        if place % 10 == 0:
            question, gold, right = (real[place // 10][name] for name in ("question", "gold", "response"))
        answers = [right, f"\\boxed{{{place}}}", f"\\boxed{{{gold}+1}}", f"so it is {gold}"]
        if with_bombs and place % SHARE == SHARE // 2:
            answers[1] = f"\\boxed{{{bombs.ANSWERS[8 + place // SHARE]}}}"
        thinking = [f"<think>{place}.{i}: {dice.choice(texts)}</think>" for i in range(4)]
        responses = [thought + answer for thought, answer in zip(thinking, answers, strict=True)]
        asked.append({"question": question, "answer": gold, "responses": responses})
    return asked


@contextmanager
def direct() -> Iterator[Ask]:
    """Ask a new scorer in this process."""
    with Scorer(STANDARD) as scorer:

        def ask(body: dict[str, Any]) -> list[float | None]:
            group = scorer.score(**body)
            return [_stack.total(group, i) for i in range(len(group.rewards))]

        yield ask


@contextmanager
def over_http(folder: Path) -> Iterator[Ask]:
    """Ask a new server, over one connection for each thread of the caller."""
    own = threading.local()
    with command(cwd=folder) as (url, process):

        def ask(body: dict[str, Any]) -> list[float | None]:
            if not hasattr(own, "connection"):
                own.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)
            own.connection.request("POST", "/score", json.dumps(body))
            response = own.connection.getresponse()
            answer = json.load(response)
            assert response.status == 200, answer
            totals: list[float | None] = answer["totals"]
            return totals

        yield ask
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def measure(what: str, ask: Ask, asked: Sequence[dict[str, Any]], clients: int) -> list[list[float | None]]:
    """Ask for all of it, and print how fast it went."""
    ask(WARM)

    def timed(body: dict[str, Any]) -> tuple[float, list[float | None]]:
        began = time.perf_counter()
        totals = ask(body)
        return time.perf_counter() - began, totals

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        results = list(pool.map(timed, asked))
    rate = len(asked) / (time.perf_counter() - began)
    seconds = sorted(second for second, _ in results)
    p50, p99 = (1000 * seconds[int(len(seconds) * share)] for share in (0.5, 0.99))
    rates = f"{rate:6.0f} requests/s   p50 {p50:6.1f} ms   p99 {p99:7.1f} ms   most {1000 * seconds[-1]:7.0f} ms"
    print(f"  {what:20} {rates}")
    return [totals for _, totals in results]


@pytest.mark.parametrize("with_bombs", [False, True], ids=["plain", "1 % bombs"])
def test_requests(with_bombs: bool, tmp_path: Path) -> None:
    asked = requests(with_bombs)
    print(f"\n{len(asked)} requests of 4 responses, {'1 % bombs' if with_bombs else 'plain'}")
    found = []
    for clients in (1, CLIENTS):
        with direct() as ask:
            found.append(measure(f"Scorer, {clients} thread{'s' * (clients > 1)}", ask, asked, clients))
    for clients in (1, CLIENTS):
        with over_http(tmp_path) as ask:
            found.append(measure(f"serve, {clients} client{'s' * (clients > 1)}", ask, asked, clients))
    assert all(each == found[0] for each in found[1:])
    assert len({json.dumps(body) for body in asked}) == len(asked)
    assert sum(totals[0] == 1.0 for totals in found[0]) > len(asked) / 4
