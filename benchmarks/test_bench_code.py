"""Programs a second: in the sandbox, with limits only, and as plain Python, after equal results of all.

    pytest -s benchmarks/test_bench_code.py

Fifty programs, no two equal, in the style of answers to exercises, each with one input; as many at once as there are
cores. "Plain" is a subprocess without limits, awaited in the same way; "threads" is the sandbox from a pool of threads,
with `subprocess.run`. For calls of functions, which take two sandboxes, each program has ten asserts. Half a minute.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from justtinker_core.testing import make_problem
from justtinker_plugins.shared.sandbox.commands import Limits, bubblewrap, contents, python_of, trouble
from justtinker_plugins.shared.sandbox.running import run
from justtinker_plugins.shared.sandbox.seccomp import program_filter
from justtinker_plugins.verifiers._code import tests as columns
from justtinker_plugins.verifiers._code.judging import Rules, judged

pytestmark = pytest.mark.skipif(
    os.environ.get("JUSTTINKER_SANDBOX") != "required" and trouble() != "", reason=trouble() or "-"
)
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
HEAD = (
    "import sys\nfrom collections import Counter, deque\nfrom functools import lru_cache\n"
    "import heapq, itertools, math, re\n"
)
TASKS = (
    "def f(n):\n    return [p for p in range(2, n * {k}) if all(p % d for d in range(2, math.isqrt(p) + 1))][-1]",
    "def f(n):\n    a, b = 0, 1\n    for _ in range(n * {k}):\n        a, b = b, (a + b) % 1000007\n    return a",
    "@lru_cache(None)\ndef f(n):\n    return 1 if n < {k} else (f(n - 1) + f(n - {k})) % 1000007",
    "def f(n):\n    c = Counter(str(n ** {k}))\n    return ''.join(d * c[d] for d in sorted(c))",
    "def f(n):\n    seen, todo = {{0}}, deque([0])\n    while todo:\n        x = todo.popleft()\n"
    "        for y in (x * 2 % (n + 7), (x + {k}) % (n + 7)):\n            if y not in seen:\n"
    "                seen.add(y)\n                todo.append(y)\n    return len(seen)",
    "def f(n):\n    h = [(i * 7919 + {k}) % 1009 for i in range(n)]\n    heapq.heapify(h)\n"
    "    return [heapq.heappop(h) for _ in range(min(5, n))]",
    "def f(n):\n    s = ''.join(chr(97 + i * {k} % 26) for i in range(n))\n"
    "    return len(re.findall('[aeiou]+', s)), s[::-1][:9]",
    "def f(n):\n    steps = 0\n    n += {k}\n    while n > 1:\n        n = n // 2 if n % 2 == 0 else 3 * n + 1\n"
    "        steps += 1\n    return steps",
    "def f(n):\n    best = [0] * (n + 1)\n    for w in range({k}, n, 3):\n        for c in range(n, w - 1, -1):\n"
    "            best[c] = max(best[c], best[c - w] + w * w % 101)\n    return best[n]",
    "def f(n):\n    orders = itertools.permutations(range(5))\n"
    "    return sum(1 for p in orders if sum(i * x for i, x in enumerate(p)) % {k} == n % {k})",
)
PROGRAMS = [HEAD + task.format(k=k) for task in TASKS for k in (3, 4, 5, 6, 7)]
READS = "\nprint(f(int(input())))"
LIMITS = Limits(wall=60.0)


async def plain(source: str, given: str) -> str:
    """A program without any limit."""
    process = await asyncio.create_subprocess_exec(
        *python_of("-")[:-1], "-c", source, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    output, _ = await process.communicate(given.encode())
    return output.decode()


async def limited(source: str, given: str) -> str:
    return (await run(source, given, LIMITS, unsafe=True)).output


async def sandboxed(source: str, given: str) -> str:
    return (await run(source, given, LIMITS)).output


def from_thread(source: str, given: str) -> str:
    """The sandbox without an event loop."""
    with ExitStack() as stack:
        program, rules = (stack.enter_context(contents(data)) for data in (source.encode(), program_filter()))
        command = bubblewrap(python_of("/program.py"), {"/program.py": program}, rules, LIMITS)
        done = subprocess.run(command, input=given, capture_output=True, text=True, pass_fds=(program, rules))
    return done.stdout


def together(one: Callable[[int], Awaitable[object]], count: int = len(PROGRAMS)) -> tuple[list[object], float]:
    """What comes of each program, and the seconds for all of them, as many at once as there are cores."""

    async def everything() -> list[object]:
        places = asyncio.Semaphore(CORES)

        async def placed(number: int) -> object:
            async with places:
                return await one(number)

        return list(await asyncio.gather(*map(placed, range(count))))

    begun = time.perf_counter()
    return asyncio.run(everything()), time.perf_counter() - begun


def best(
    ways: dict[str, Callable[[], tuple[list[object], float]]], times: int = 3
) -> dict[str, tuple[list[object], float]]:
    """The same results each time, and the shortest time; the ways take turns, so that noise meets all."""
    rounds = [{name: way() for name, way in ways.items()} for _ in range(times)]
    for name in ways:
        assert all(found[name][0] == rounds[0][name][0] for found in rounds)
    return {name: (rounds[0][name][0], min(found[name][1] for found in rounds)) for name in ways}


def threads() -> tuple[list[object], float]:
    begun = time.perf_counter()
    with ThreadPoolExecutor(CORES) as pool:
        found: Sequence[object] = list(pool.map(lambda source: from_thread(source + READS, "40"), PROGRAMS))
    return list(found), time.perf_counter() - begun


def test_programs_a_second() -> None:
    assert len(set(PROGRAMS)) == 50
    kinds = {"plain": plain, "limits only": limited, "sandbox": sandboxed}
    tried: dict[str, Callable[[], tuple[list[object], float]]] = {
        name: lambda way=way: together(lambda n: way(PROGRAMS[n] + READS, "40"))  # type: ignore[misc]
        for name, way in kinds.items()
    }
    ways = best({**tried, "sandbox, threads": threads})
    expected, least = ways["plain"]
    assert all(expected)
    print(f"\n{len(PROGRAMS)} programs that read and print, {CORES} at once, Python {sys.version.split()[0]}:")
    for name, (found, seconds) in ways.items():
        assert found == expected
        print(f"{name:17} {50 / seconds:5.1f} programs a second, {seconds / least:.2f} times plain")
    one = [min(together(lambda n, way=way: way("", ""), 1)[1] for _ in range(20)) for way in (plain, sandboxed)]  # type: ignore[misc]
    print(f"an empty program by itself: plain {1000 * one[0]:.1f} ms, sandbox {1000 * one[1]:.1f} ms")


def test_calls_a_second() -> None:
    """Two sandboxes a program, ten asserts."""
    values = []
    for source in PROGRAMS:
        names: dict[str, Callable[[int], object]] = {}
        exec(source, names)
        values.append([names["f"](n) for n in range(20, 30)])
    problems = [
        make_problem(kind="code", meta={"test_list": [f"assert f({n}) == {v!r}" for n, v in enumerate(found, 20)]})
        for found in values
    ]
    rules = Rules(LIMITS, stop_early=False)
    once = {"calls": lambda: together(lambda n: judged(PROGRAMS[n], columns.read_tests(problems[n]), rules))}
    found, seconds = best(once)["calls"]
    assert all(result.passed == 10 for result in found)  # type: ignore[attr-defined]
    print(f"\n{len(PROGRAMS)} programs with ten asserts each, {CORES} at once: {50 / seconds:.1f} programs a second")
