"""Problems whose answer is a program: built-in ones with their tests, and what is known of those of the data."""

from __future__ import annotations

import ast
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from justtinker_core import Problem
from justtinker_plugins.commands._audit.items import Item, write_thinking
from justtinker_plugins.shared.fences import fenced

KIND = "code"
FORMAT = "```python\n{}\n```"
"""How a program is presented."""
COLUMNS = ("solution", "solutions", "code", "canonical_solution", "gold_standard_solution")
"""Metadata that may hold right programs, a text or a list of texts."""
NO_PROGRAMS = ("pass", "raise NotImplementedError")
"""Wrong answers to any problem."""


@dataclass(frozen=True)
class Task:
    """A problem that a program solves."""

    solution: str
    """A program that is right."""
    function: str = ""
    """The name of the function that tests call; empty if the program reads its input and prints."""
    question: str = ""
    tests: Sequence[tuple[Any, Any]] = ()
    """Arguments and results, or input and output. The first two are shown in the question."""
    others: tuple[str, ...] = ()
    """Other programs that are right."""
    wrong: tuple[str, ...] = field(default=NO_PROGRAMS)
    """Programs that pass some tests but not all."""

    @property
    def examples(self) -> Sequence[tuple[Any, Any]]:
        """The tests that the question shows."""
        return self.tests[:2]

    @property
    def input_output(self) -> dict[str, Any]:
        """The tests in the shape of APPS and TACO."""
        named = {"fn_name": self.function} if self.function else {}
        return {**named, "inputs": [given for given, _ in self.tests], "outputs": [found for _, found in self.tests]}


SECOND = Task(
    question="Write a function `second(numbers)`: the second largest of the different numbers in a list, None if there "
    "is none. Examples: `second([3, 1, 2])` gives 2, `second([5, 5])` gives None.",
    function="second",
    tests=[([[3, 1, 2]], 2), ([[5, 5]], None), ([[]], None), ([[-4, -9, -4]], -9), ([[7, 8, 8, 7, 1]], 7)],
    solution="def second(numbers):\n    ordered = sorted(set(numbers))\n"
    "    return ordered[-2] if len(ordered) > 1 else None",
    others=(
        "from typing import Optional\n\n\ndef second(numbers: list[int]) -> Optional[int]:\n"
        '    """The second largest."""\n    best = other = None\n    for n in numbers:\n'
        "        if best is None or n > best:\n            best, other = n, best\n"
        "        elif n != best and (other is None or n > other):\n            other = n\n    return other",
        "class Solution:\n    def second(self, numbers):\n        left = set(numbers) - {max(numbers, default=0)}\n"
        "        return max(left, default=None)",
        "import heapq\n\nsecond = lambda numbers: (heapq.nlargest(2, set(numbers)) + [None, None])[1]",
    ),
    wrong=("def second(numbers):\n    return sorted(numbers)[-2] if len(numbers) > 1 else None", *NO_PROGRAMS),
)
ANAGRAM = Task(
    question="Write a function `anagram(a, b)`: whether two texts have the same letters, whatever their case. "
    "Examples: `anagram('Tea', 'eat')` gives True, `anagram('tea', 'ate me')` gives False.",
    function="anagram",
    tests=[
        (["Tea", "eat"], True), (["tea", "ate me"], False), (["aab", "abb"], False), (["", ""], True),
        (["Listen", "Silent"], True), (["abc", "abcd"], False),
    ],
    solution="def anagram(a, b):\n    return sorted(a.lower()) == sorted(b.lower())",
    others=(
        "from collections import Counter\n\n\ndef letters(text):\n    return Counter(text.lower())\n\n\n"
        "def anagram(a, b):\n    return letters(a) == letters(b)",
        "def anagram(a, b):\n    rest = list(b.lower())\n    for letter in a.lower():\n        if letter not in rest:\n"
        "            return False\n        rest.remove(letter)\n    return not rest",
    ),
    wrong=("def anagram(a, b):\n    return set(a.lower()) == set(b.lower())", *NO_PROGRAMS),
)  # fmt: skip
EVEN = Task(
    question="The first line is a number n, the second n whole numbers. Print the sum of the even ones. Examples: for "
    "`3` and `1 2 4` print 6, for `1` and `7` print 0.",
    tests=[("3\n1 2 4\n", "6\n"), ("1\n7\n", "0\n"), ("4\n-2 -3 10 0\n", "8\n"), ("2\n1000000 1000000\n", "2000000\n")],
    solution="n = int(input())\nprint(sum(x for x in map(int, input().split()) if x % 2 == 0))",
    others=(
        "import sys\n\n\ndef main():\n    _, *numbers = map(int, sys.stdin.read().split())\n    total = 0\n"
        "    for x in numbers:\n        if not x & 1:\n            total += x\n    print(total)\n\n\n"
        'if __name__ == "__main__":\n    main()',
        "input()\nnumbers = [int(x) for x in input().split()]\n"
        "print(f'{sum(filter(lambda x: x % 2 == 0, numbers))}', end='')",
    ),
    wrong=("input()\nprint(sum(x for x in map(int, input().split()) if x % 2 == 0 and x > 0))", *NO_PROGRAMS),
)
WORDS = Task(
    question="Read lines until the input ends. Print each line with its words in the opposite order. Examples: for "
    "`a b` print `b a`, for the two lines `one` and `x y z` print `one` and `z y x`.",
    tests=[("a b\n", "b a\n"), ("one\nx y z\n", "one\nz y x\n"), ("to be or not\n", "not or be to\n"), ("q\n", "q\n")],
    solution="import sys\n\nfor line in sys.stdin:\n    print(*reversed(line.split()))",
    others=(
        "while True:\n    try:\n        line = input()\n    except EOFError:\n        break\n"
        "    print(' '.join(line.split()[::-1]))",
    ),
    wrong=("import sys\n\nfor line in sys.stdin:\n    print(line.strip()[::-1])", *NO_PROGRAMS),
)
BUILT_IN = (SECOND, ANAGRAM, EVEN, WORDS)
BY_QUESTION = {task.question: task for task in BUILT_IN}


def draw_problems(prefix: str) -> list[Problem]:
    """Return the built-in problems, with ids that begin with `prefix`."""
    return [
        Problem(
            f"{prefix}program {number}", task.question, task.solution, KIND, meta={"input_output": task.input_output}
        )
        for number, task in enumerate(BUILT_IN, 1)
    ]


def solutions_of(problem: Problem) -> list[str]:
    """Programs that may be right: of the demonstration, the metadata or the gold. The stack decides."""
    demonstration = problem.demonstration
    found: list[Any] = blocks_of(demonstration)[-1:] if isinstance(demonstration, str) else []
    for column in COLUMNS:
        value = problem.meta.get(column)
        if isinstance(value, str) and value.startswith("["):
            value = read_list(value)
        found += value[:2] if isinstance(value, list) else [value]
    found.append(problem.answer)
    return [text.strip() for text in found if isinstance(text, str) and is_program(text.strip())]


def blocks_of(text: str) -> list[str]:
    """The fenced blocks of a text that may be programs."""
    return [block.text for block in fenced(text) if block.language in ("", "python")]


def read_list(text: str) -> Any:
    """A list from JSON; the text itself if it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def is_program(text: str) -> bool:
    """Whether a text is Python that does something, unlike a number or a list of tests."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(not (isinstance(node, ast.Expr) and is_data(node.value)) for node in body)


def is_data(node: ast.expr) -> bool:
    """Whether an expression is a literal."""
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return isinstance(node, ast.Name)
    return True


def items_of(problem: Problem, seed: int) -> Iterator[Item]:
    """Make the item of a problem with each program that may be right. The plain wrong program passes no test."""
    for solution in dict.fromkeys(solutions_of(problem)):
        rng = random.Random(f"{seed} {problem.id}")
        wrong = task_of(problem, solution).wrong
        yield Item(problem, solution, wrong, NO_PROGRAMS[0], FORMAT, rng, write_thinking(rng, 5))


def task_of(problem: Problem, solution: str) -> Task:
    """Return what is known of a problem; of one of the data, only how its solution is called."""
    if known := BY_QUESTION.get(problem.question):
        return known
    return Task(solution, function_in(solution))


def function_in(program: str) -> str:
    """The last function that a program makes for others to call; '' if it reads or prints by itself, or is none."""
    if not is_program(program):
        return ""
    tree = ast.parse(program)
    names = list(functions_in(tree.body))
    runs = [
        node for node in tree.body if isinstance(node, ast.Expr | ast.For | ast.While | ast.If | ast.Try | ast.With)
    ]
    called = {name for part in runs for node in ast.walk(part) if (name := called_name(node))}
    return "" if called & {"print", "main", "solve", *names} or not names else names[-1]


def called_name(node: ast.AST) -> str:
    """The name of the function that a node calls; '' if it calls none by name."""
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def functions_in(body: Sequence[ast.stmt]) -> Iterator[str]:
    """The names of the functions that a program makes, those of its classes included."""
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.ClassDef):
            yield from (name for name in functions_in(node.body) if not name.startswith("_"))
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
