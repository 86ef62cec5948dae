"""Run a program against its tests, and say how far it comes.

A program that reads and prints is run once a test, in a sandbox of its own each time; what it prints is compared here.
Calls of functions need two sandboxes: one holds the tests (`driver.py`), the other the program (`candidate.py`), and
only arguments and results pass between them. So no program can see a test, or touch what compares.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from justtinker_plugins.shared.sandbox.commands import Limits
from justtinker_plugins.shared.sandbox.running import Ended, Program, encoded, run, started
from justtinker_plugins.verifiers._code.tests import Tests

TOLERANCE = 1e-6
SIGNALS = {137: "it was killed (out of memory?)", 139: "it crashed (segmentation fault)", 134: "it aborted"}


@dataclass(frozen=True, slots=True)
class Result:
    """How many tests a program passed, and the first that it did not."""

    passed: int
    tests: int
    reason: str = ""
    """The first failed test, and how it failed; empty if all are passed."""
    unscored: bool = False
    """The reason says nothing about the program."""


async def judged(source: str, tests: Tests, limits: Limits, *, stop_early: bool, unsafe: bool) -> Result:
    """How far a program comes."""
    if tests.runs:
        return await judged_runs(source, tests.runs, limits, stop_early, unsafe)
    return await judged_calls(source, tests.calls, limits, stop_early, unsafe)


async def judged_runs(
    source: str, runs: Sequence[tuple[str, str]], limits: Limits, stop_early: bool, unsafe: bool
) -> Result:
    """Run a program once for each input."""
    passed, reason = 0, ""
    for number, (given, expected) in enumerate(runs, 1):
        ended = await run(source, given, limits, unsafe=unsafe)
        failure = failure_of(ended, limits)
        if ended.why in ("busy", "start"):
            return Result(passed, len(runs), failure, unscored=True)
        if not failure and equal(ended.output, expected):
            passed += 1
            continue
        failure = failure or f"printed {short(ended.output)}, expected {short(expected)}"
        reason = reason or f"test {number} of {len(runs)}: {failure}"
        if stop_early:
            break
    return Result(passed, len(runs), reason)


def failure_of(ended: Ended, limits: Limits) -> str:
    """How a program failed; '' if it ended well."""
    match ended.why:
        case "start":
            return f"the sandbox did not start: {last_line(ended.errors) or f'exit status {ended.code}'}"
        case "busy":
            return "the machine was too busy to run the program"
        case "cpu":
            return f"it ran for {limits.cpu} s of the processor"
        case "wall":
            return f"it was not done after {limits.wall:g} s"
        case "output":
            return f"it printed more than {limits.output_kb} KB"
    if ended.code:
        return SIGNALS.get(ended.code) or last_line(ended.errors) or f"it ended with exit status {ended.code}"
    return ""


def last_line(errors: str) -> str:
    """The last line of a traceback."""
    lines = [line for line in errors.splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else ""


def equal(printed: str, expected: str) -> bool:
    """Equal but for white space at the ends of lines and of the text, and for rounding of decimal numbers."""
    found, wanted = tidy(printed), tidy(expected)
    if found == wanted:
        return True
    rows = [(a.split(), b.split()) for a, b in zip(found, wanted, strict=False)]
    return len(found) == len(wanted) and all(len(a) == len(b) and all(map(close, a, b)) for a, b in rows)


def tidy(text: str) -> list[str]:
    """The lines of a text, without white space at their ends and empty lines at the end."""
    return [line.rstrip() for line in text.rstrip().splitlines()]


def close(found: str, wanted: str) -> bool:
    """Equal, or decimal numbers that are equal up to rounding."""
    if found == wanted:
        return True
    if not any(mark in wanted for mark in ".eE") or "_" in found:
        return False
    try:
        return math.isclose(float(found), float(wanted), rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    except ValueError:
        return False


def short(text: str) -> str:
    """A text in at most 60 characters."""
    return repr(text.rstrip() if len(text) <= 60 else text[:57] + "...")


@cache
def harness(name: str) -> bytes:
    """`driver.py` or `candidate.py`, with what they share in front."""
    folder = files("justtinker_plugins.verifiers._code")
    return b"\n\n".join((folder / f"{part}.py").read_bytes() for part in ("wire", name))


async def judged_calls(
    source: str, calls: Sequence[dict[str, Any]], limits: Limits, stop_early: bool, unsafe: bool
) -> Result:
    """Run tests that call a program's functions, in order, with one process for the program."""
    spec = json.dumps({"tests": list(calls), "stop_early": stop_early}).encode()
    whole = replace(limits, cpu=limits.cpu * min(len(calls), 4))
    async with AsyncExitStack() as stack:
        pipes = [os.pipe() for _ in range(3)]
        ends = {end for pipe in pipes for end in pipe}
        stack.callback(close_all, ends)
        (asked, asks), (answered, answers), (report, reports) = pipes
        program = await stack.enter_async_context(
            started(
                {"/candidate.py": harness("candidate"), "/program.py": encoded(source)}, whole,
                arguments=("/program.py", str(asked), str(answers)), unsafe=unsafe, keep=(asked, answers),
            )
        )  # fmt: skip
        driver = await stack.enter_async_context(
            started(
                {"/driver.py": harness("driver"), "/tests.json": spec}, replace(whole, memory_mb=1024),
                arguments=("/tests.json", str(asks), str(answered), str(reports)), unsafe=unsafe,
                keep=(asks, answered, reports),
            )
        )  # fmt: skip
        close_all(ends - {report})
        ends.clear()
        return await followed(report, program, driver, len(calls), limits)


def close_all(descriptors: set[int]) -> None:
    """Close file descriptors."""
    for descriptor in descriptors:
        os.close(descriptor)


async def followed(report: int, program: Program, driver: Program, tests: int, limits: Limits) -> Result:
    """Read the driver's reports to their end. Each test has `limits.wall` seconds."""
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(report, "rb"))
    passed, number, reason, under_way = 0, 0, "", False
    try:
        while line := await asyncio.wait_for(reader.readline(), limits.wall):
            message = json.loads(line)
            if "test" in message:
                number, under_way = message["test"] + 1, True
                continue
            if "ended" in message:
                break
            under_way = False
            passed += "ok" in message
            if "bad" in message:
                return Result(passed, tests, f"test {number} of {tests} is malformed: {message['bad']}", unscored=True)
            if "failed" in message:
                reason = reason or f"test {number} of {tests}: {message['failed']}"
    except TimeoutError:
        program.out_of_time()
    finally:
        transport.close()
    if not under_way and number:
        return Result(passed, tests, reason)
    return await broken_off(program, driver, Result(passed, tests, reason), number, limits)


async def broken_off(program: Program, driver: Program, so_far: Result, number: int, limits: Limits) -> Result:
    """The result if the tests did not come to their end: what has happened to the program, or to the driver."""
    try:
        why, code = await asyncio.wait_for(program.wait(), 5.0)
    except TimeoutError:  # the program still runs, so the driver has ended
        why, code = await driver.wait()
        return replace(so_far, reason=f"the tests ended early, with exit status {code}", unscored=True)
    failure = failure_of(Ended(why, code), limits) or "it ended before it was asked to"
    if why in ("busy", "start"):
        return replace(so_far, reason=failure, unscored=True)
    return replace(so_far, reason=so_far.reason or f"test {max(number, 1)} of {so_far.tests}: {failure}")
