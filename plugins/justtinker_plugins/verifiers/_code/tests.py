"""The tests of a problem, in the columns of the field's data sets. ValueError says what is wrong with them.

| data set | column | shape |
|---|---|---|
| APPS, TACO, PRIME | ``input_output``, ``tests`` or the gold | ``{"inputs": […], "outputs": […], "fn_name": …}`` |
| DeepCoder | ``tests`` | ``[{"input": …, "output": …, "testtype": …}]`` |
| LiveCodeBench | ``public_test_cases``, ``private_test_cases`` | the same, or packed |
| MBPP | ``test_list``, ``test_setup_code`` or ``test_imports`` | asserts |
| HumanEval | ``test``, ``entry_point`` | a function ``check(candidate)`` |
"""

from __future__ import annotations

import ast
import base64
import io
import json
import pickle
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from justtinker_core import Problem
from justtinker_plugins.verifiers._code import wire

encode: Callable[[Any], Any] = wire.encode
COLUMNS = ("input_output", "tests", "public_test_cases", "test_list", "test", "the gold answer")


@dataclass(frozen=True, slots=True)
class Tests:
    """Either runs of the whole program, or calls of its functions."""

    runs: tuple[tuple[str, str], ...] = ()
    """Standard input and expected standard output."""
    calls: tuple[dict[str, Any], ...] = ()
    """What `driver.py` runs: ``name``, ``args``, ``expected``, or ``code``, ``setup``, ``entry``."""

    def __len__(self) -> int:
        return len(self.runs) + len(self.calls)


def read_tests(problem: Problem) -> Tests:
    """All tests of a problem."""
    meta = {key: value for key, value in problem.meta.items() if value is not None and value != ""}
    if "test_list" in meta:
        found = asserts(listed(meta["test_list"], "test_list"), setup_of(meta))
    elif "test" in meta:
        found = check_function(meta["test"], meta.get("entry_point"))
    elif "public_test_cases" in meta or "private_test_cases" in meta:
        cases = [c for key in ("public_test_cases", "private_test_cases") for c in cases_of(meta.get(key, []), key)]
        found = from_cases(cases, function_of(meta))
    else:
        column = next((key for key in COLUMNS[:2] if meta.get(key)), "")
        data = meta[column] if column else problem.answer
        if data is None or data == "":
            raise ValueError(f"it has no tests: expected one of {', '.join(COLUMNS)}")
        found = from_json(data, column or COLUMNS[-1], function_of(meta))
    if not len(found):
        raise ValueError("it has no tests: the list is empty")
    return found


def from_json(data: Any, column: str, function: str) -> Tests:
    """Tests from JSON, a text or already read. A gold that is none is what the program must print without input."""
    if isinstance(data, str):
        try:
            read = json.loads(data)
        except ValueError as error:
            if column != COLUMNS[-1]:
                raise ValueError(f"{column} is no JSON: {error}") from None
            refuse_program(data)
            read = data
        data = read if isinstance(read, list | dict) or column != COLUMNS[-1] else [["", data]]
    if isinstance(data, list) and all(isinstance(item, str) for item in data):
        return asserts(data, "")
    if isinstance(data, Mapping):
        inputs, outputs = (listed(data.get(key), f"{column}: {key}") for key in ("inputs", "outputs"))
        if len(inputs) != len(outputs):
            raise ValueError(f"{column} has {len(inputs)} inputs and {len(outputs)} outputs")
        function = data.get("fn_name") or function
        pairs = list(zip(inputs, outputs, strict=True))
        return from_calls(function, pairs, wrapped=True) if function else from_pairs(pairs)
    return from_cases(cases_of(data, column), function)


def refuse_program(gold: str) -> None:
    """ValueError if a gold is a program rather than what one prints."""
    try:
        parts = ast.parse(gold).body
    except (SyntaxError, ValueError):
        return
    if any(isinstance(part, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom) for part in parts):
        raise ValueError(
            f"it has no tests, and its gold answer is a program: expected one of {', '.join(COLUMNS[:-1])}"
        )


def from_cases(cases: Sequence[Any], function: str) -> Tests:
    """Tests from pairs, or from ``{"input", "output", "testtype"}``."""
    pairs: list[tuple[Any, Any]] = []
    functional = False
    for number, case in enumerate(cases):
        if isinstance(case, Mapping) and {"input", "output"} <= set(case):
            pairs.append((case["input"], case["output"]))
            functional = functional or case.get("testtype") == "functional"
            details = case.get("metadata")
            function = function or (function_of({"metadata": details}) if details else "")
        elif isinstance(case, list | tuple) and len(case) == 2:
            pairs.append((case[0], case[1]))
        else:
            raise ValueError(f"test {number + 1}: expected an input and an output, got {case!r:.60}")
    if not functional:
        return from_pairs(pairs)
    if not function:
        raise ValueError("its tests call a function, and metadata has no func_name")
    return from_calls(function, [(lines_of_json(i, n), one_json(o, n)) for n, (i, o) in enumerate(pairs)])


def from_pairs(pairs: Iterable[tuple[Any, Any]]) -> Tests:
    """Standard input and output; lists of lines are joined."""
    runs = []
    for number, pair in enumerate(pairs):
        texts = ["\n".join(map(str, side)) if isinstance(side, list) else side for side in pair]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(f"test {number + 1}: expected texts as input and output, got {pair!r:.60}")
        runs.append((texts[0], texts[1]))
    return Tests(runs=tuple(runs))


def from_calls(function: str, pairs: Iterable[tuple[Any, Any]], wrapped: bool = False) -> Tests:
    """Calls of one function: a list of arguments, and what it must return.

    `wrapped`: a list of one stands for its item as well, as APPS and TACO put results into lists.
    """
    calls = []
    for number, (arguments, expected) in enumerate(pairs):
        if not isinstance(arguments, list):
            raise ValueError(f"test {number + 1}: expected a list of arguments, got {arguments!r:.60}")
        data = {key: encode(value) for key, value in (("args", arguments), ("expected", expected))}
        one = wrapped and isinstance(expected, list) and len(expected) == 1
        calls.append({"name": function.rpartition(".")[2], "wrapped": one, **data})
    return Tests(calls=tuple(calls))


def asserts(lines: Sequence[Any], setup: str) -> Tests:
    """One test for each piece of code with asserts."""
    calls = []
    for number, code in enumerate(lines):
        if not isinstance(code, str):
            raise ValueError(f"test {number + 1}: expected Python with an assert, got {code!r:.60}")
        parsed(code, f"test {number + 1}", asserts=True)
        calls.append({"code": code, "setup": setup})
    return Tests(calls=tuple(calls))


def check_function(code: Any, entry: Any) -> Tests:
    """HumanEval's test: code with a function `check`, which gets the program's function."""
    if not isinstance(code, str) or not isinstance(entry, str) or not all(map(str.isidentifier, entry.split("."))):
        raise ValueError(
            "test and entry_point: expected Python with a function check(candidate), and a function's name"
        )
    tree = parsed(code, "test", asserts=True)
    if "check" not in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}:
        raise ValueError("test: expected a function check(candidate)")
    return Tests(calls=({"code": code, "setup": "", "entry": entry},))


def parsed(code: str, place: str, *, asserts: bool = False) -> ast.Module:
    """The tree of a test's code, which must have an assert if it `asserts`. ValueError if it cannot be run.

    It may import from the standard library only, which is all that the sandbox has.
    """
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"{place} is not Python: {error}") from None
    if asserts and not any(isinstance(node, ast.Assert) for node in ast.walk(tree)):
        raise ValueError(f"{place}: expected an assert, got {code!r:.60}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            if others := [name for name in names if name.partition(".")[0] not in sys.stdlib_module_names]:
                raise ValueError(f"{place}: expected modules of the standard library only, got {others[0]!r}")
    return tree


def setup_of(meta: Mapping[str, Any]) -> str:
    """What MBPP's asserts need before them."""
    imports = meta.get("test_imports") or []
    setup = "\n".join([*listed(imports, "test_imports"), str(meta.get("test_setup_code") or "")])
    parsed(setup, "test_setup_code")
    return setup


def function_of(meta: Mapping[str, Any]) -> str:
    """The name of the function that LiveCodeBench's and DeepCoder's functional tests call; '' if there is none."""
    details = meta.get("metadata") or {}
    if isinstance(details, str):
        try:
            details = json.loads(details)
        except ValueError:
            details = {}
    name = details.get("func_name") if isinstance(details, Mapping) else ""
    return str(name or meta.get("fn_name") or "")


def cases_of(data: Any, column: str) -> list[Any]:
    """A list of test cases: JSON, or what LiveCodeBench packs its private ones in."""
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except ValueError:
            data = unpacked(data, column)
    return listed(data, column)


def unpacked(text: str, column: str) -> Any:
    """LiveCodeBench's private tests: JSON in a pickle in zlib in base64. The pickle may hold texts only."""
    try:
        packed = zlib.decompress(base64.b64decode(text, validate=True))
        return json.loads(_TextsOnly(io.BytesIO(packed)).load())
    except Exception as error:
        raise ValueError(f"{column} is neither JSON nor packed as LiveCodeBench's: {error}") from None


class _TextsOnly(pickle.Unpickler):
    """A pickle could run code; this reads only what needs no class."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it holds {module}.{name}, and only texts are allowed")


def lines_of_json(text: Any, number: int) -> list[Any]:
    """The arguments of a functional test: a line of JSON each, or already a list."""
    if not isinstance(text, str):
        return listed(text, f"test {number + 1}")
    return [one_json(line, number) for line in text.splitlines() if line.strip()]


def one_json(text: Any, number: int) -> Any:
    """A value from JSON."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise ValueError(f"test {number + 1}: expected JSON, got {text!r:.60}") from None


def listed(data: Any, place: str) -> list[Any]:
    """A list; ValueError that names its place otherwise."""
    if not isinstance(data, list | tuple):
        raise ValueError(f"{place}: expected a list, got {data!r:.60}")
    return list(data)
