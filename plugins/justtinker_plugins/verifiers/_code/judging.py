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
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from justtinker_plugins.shared.sandbox.commands import Limits
from justtinker_plugins.shared.sandbox.running import Ended, Program, Why, encoded, run, started
from justtinker_plugins.verifiers._code.tests import Tests

PATIENCE = 5.0
"""Seconds in which a program whose connection is closed must end."""
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


@dataclass(frozen=True, slots=True)
class Rules:
    """How programs are judged."""

    limits: Limits
    stop_early: bool = True
    tolerance: float = 1e-6
    unsafe: bool = False


async def judged(source: str, tests: Tests, rules: Rules) -> Result:
    """How far a program comes."""
    return await (judged_runs(source, tests.runs, rules) if tests.runs else judged_calls(source, tests.calls, rules))


async def judged_runs(source: str, runs: Sequence[tuple[str, str]], rules: Rules) -> Result:
    """Run a program once for each input."""
    passed, reason = 0, ""
    for number, (given, expected) in enumerate(runs, 1):
        ended = await run(source, given, rules.limits, unsafe=rules.unsafe)
        failure = failure_of(ended, rules.limits)
        if ended.why in ("busy", "start"):
            return Result(passed, len(runs), failure, unscored=True)
        if not failure and equal(ended.output, expected, rules.tolerance):
            passed += 1
            continue
        failure = failure or f"printed {short(ended.output)}, expected {short(expected)}"
        reason = reason or f"test {number} of {len(runs)}: {failure}"
        if rules.stop_early:
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


def equal(printed: str, expected: str, tolerance: float) -> bool:
    """Equal but for white space at the ends of lines and of the text, and for rounding of decimal numbers."""
    found, wanted = tidy(printed), tidy(expected)
    if found == wanted:
        return True
    rows = [(a.split(), b.split()) for a, b in zip(found, wanted, strict=False)]
    return len(found) == len(wanted) and all(
        len(a) == len(b) and all(close(*pair, tolerance) for pair in zip(a, b, strict=True)) for a, b in rows
    )


def tidy(text: str) -> list[str]:
    """The lines of a text, without white space at their ends and empty lines at the end."""
    return [line.rstrip() for line in text.rstrip().splitlines()]


def close(found: str, wanted: str, tolerance: float) -> bool:
    """Equal, or decimal numbers that are equal up to rounding."""
    if found == wanted:
        return True
    if not tolerance or not any(mark in wanted for mark in ".eE") or "_" in found:
        return False
    try:
        return math.isclose(float(found), float(wanted), rel_tol=tolerance, abs_tol=tolerance)
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


async def judged_calls(source: str, calls: Sequence[dict[str, Any]], rules: Rules) -> Result:
    """Run tests that call a program's functions, in order, with one process for the program."""
    spec = json.dumps({"tests": calls, "stop_early": rules.stop_early, "tolerance": rules.tolerance}).encode()
    limits, unsafe = rules.limits, rules.unsafe
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


@dataclass
class Course:
    """How far the tests have come, by the driver's reports."""

    tests: int
    passed: int = 0
    number: int = 0
    """The test under way, or the last one; 0 before the first."""
    stage: Literal["idle", "begun", "asked", "unanswered"] = "idle"
    """Of this test: over; begun; the program has been asked something; it has not answered."""
    reason: str = ""
    bad: str = ""

    def take(self, message: dict[str, Any]) -> None:
        """Note a report."""
        if "test" in message:
            self.number, self.stage = message["test"] + 1, "begun"
        elif "asked" in message:
            self.stage = "asked"
        elif "ended" in message:
            self.stage = "unanswered"
        else:
            self.stage = "idle"
            self.passed += "ok" in message
            self.bad = message.get("bad", "")
            if "failed" in message:
                self.fail(message["failed"])

    def fail(self, why: str) -> Result:
        """The result if the test under way is failed. The first failure is the reason."""
        self.reason = self.reason or f"test {max(self.number, 1)} of {self.tests}: {why}"
        return Result(self.passed, self.tests, self.reason)

    def unscored(self, why: str) -> Result:
        """The result if the program is not to blame."""
        return Result(self.passed, self.tests, why, unscored=True)


async def followed(report: int, program: Program, driver: Program, tests: int, limits: Limits) -> Result:
    """Read the driver's reports to their end. Each test has `limits.wall` seconds."""
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(report, "rb"))
    course = Course(tests)
    try:
        async with asyncio.timeout(limits.wall) as clock:
            while not course.bad and (line := await reader.readline()):
                course.take(json.loads(line))
                if course.stage in ("begun", "idle"):
                    clock.reschedule(loop.time() + limits.wall)
    except TimeoutError:
        busy = course.stage in ("begun", "idle") or program.starved() or driver.starved()
        program.kill("busy" if busy else "wall")
    finally:
        transport.close()
    if course.bad:
        return course.unscored(f"test {course.number} of {tests} is malformed: {course.bad}")
    if course.stage == "idle" and (course.number == tests or course.reason):
        return Result(course.passed, tests, course.reason)
    return await broken_off(program, driver, course, limits)


async def broken_off(program: Program, driver: Program, course: Course, limits: Limits) -> Result:
    """The result if the tests did not come to their end: what has happened to the program, or to the driver."""
    if course.stage in ("begun", "idle"):  # the program has not been asked anything, or has answered
        return course.unscored(await failure_of_tests(driver, limits, "busy" if program.why == "busy" else ""))
    with suppress(TimeoutError):
        why, code = await asyncio.wait_for(program.wait(), PATIENCE)
        failure = failure_of(Ended(why, code), limits) or "it ended before it was asked to"
        if why in ("busy", "start"):
            return course.unscored(failure)
        if course.stage == "unanswered" or why:
            return course.fail(failure)
    if course.stage == "unanswered":
        return course.fail("it closed its connection")
    return course.fail(f"what it returns is too much: {await failure_of_tests(driver, limits)}")


async def failure_of_tests(driver: Program, limits: Limits, why: Why = "") -> str:
    """How the driver has failed."""
    if why == "busy":
        return failure_of(Ended(why, 0), limits)
    with suppress(TimeoutError):
        await asyncio.wait_for(driver.process.wait(), PATIENCE)
    driver.kill("")
    _, code = await driver.wait()
    return f"the tests ended early, with exit status {code}"
