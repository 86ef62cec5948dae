"""The report of a failed battery: for each check what was given, expected and found, and how to fix it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from justtinker_core.types import Group, Verdict

MOST = 3
"""The most examples that a report shows of one check."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One way in which a plugin broke a check."""

    given: str
    expected: str
    found: str
    fix: str


@dataclass
class Report:
    """The results of one battery's checks."""

    title: str
    failures: dict[str, list[Failure]] = field(default_factory=dict)
    """Check, with its rule -> failures."""
    passed: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """Check -> why it was skipped."""

    @contextmanager
    def check(self, name: str, rule: str) -> Iterator[list[Failure]]:
        """Make a check: the block appends its failures to the list that this yields."""
        failures: list[Failure] = []
        try:
            yield failures
        finally:
            if failures:
                self.failures[f"{name}: {rule}"] = failures
        if not failures:
            self.passed.append(name)

    def has_passed(self, name: str) -> bool:
        """Return whether a check was made and passed."""
        return name in self.passed

    def raise_failures(self) -> None:
        """Raise an AssertionError with everything that failed, if anything did."""
        __tracebackhide__ = True
        if self.failures:
            raise AssertionError(str(self))

    def __str__(self) -> str:
        total = len(self.failures) + len(self.passed)
        lines = [f"{self.title} fails {len(self.failures)} of {total} checks"]
        for name, failures in self.failures.items():
            lines += ["", name, *failure_lines(failures)]
        lines += ["", f"passed: {', '.join(self.passed) or 'none'}"]
        for why in dict.fromkeys(self.left_out.values()):
            names = ", ".join(name for name, reason in self.left_out.items() if reason == why)
            lines.append(f"skipped: {names} ({why})")
        return "\n".join(lines)


def failure_lines(failures: Sequence[Failure]) -> list[str]:
    """Write a check's first failures as lines; several with the same fix show it once, at the end."""
    lines, shown = [], failures[:MOST]
    for failure, later in zip(shown, [*shown[1:], None], strict=True):
        lines += [f"    given     {failure.given}", f"    expected  {failure.expected}"]
        lines.append(f"    got       {failure.found}")
        if later is None or later.fix != failure.fix:
            lines.append(f"    fix       {failure.fix}")
    return lines + ([f"    and {len(failures) - MOST} more like this"] if len(failures) > MOST else [])


def shorten(text: str | None, most: int = 70) -> str:
    """Write a text as a Python literal; leave out the middle of a long one."""
    if text is None or len(text) <= most:
        return ascii(text) if text is not None and not text.isprintable() else repr(text)
    return f"{ascii(text[: most // 2])[:most]} … {ascii(text[-most // 4 :])[:most]} ({len(text):,} characters)"


def describe_rollout(group: Group, index: int) -> str:
    """Describe one rollout of a group."""
    size = len(group.rollouts)
    which = f"rollout {index % size} of {size}" if size > 1 else "the only rollout"
    problem = f"problem {group.problem.id!r}, gold {shorten(group.problem.answer)}"
    return f"{shorten(group.rollouts[index].text)} ({which}; {problem})"


def describe_answer(answer: Any) -> str:
    """Describe a verdict, or the terms of a reward."""
    if isinstance(answer, Verdict):
        return ", ".join(
            [answer.outcome, f"answer {shorten(answer.answer)}"]
            + [f"{k} {shorten(v)}" for k in ("rung", "reason") if (v := getattr(answer, k))]
        )
    return ", ".join(f"{term} = {value}" for term, value in answer.items()) or "no term"
