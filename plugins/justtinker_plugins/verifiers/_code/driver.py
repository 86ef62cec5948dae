"""The tests' side: runs tests whose calls of the program's functions go to another process, and reports each.

Runs in a sandbox of its own, after `wire.py`, with the tests and without the program. Arguments: the tests' file, and
file descriptors: requests to the program, its responses, reports. A report is a line of JSON: ``{"test": n}`` when a
test begins, ``{"asked": true}`` when the program is first asked something, then ``{"ok": true}``, ``{"failed": why}``,
``{"ended": true}`` if the program does not answer, or ``{"bad": why}`` if the test itself is wrong.
"""

import ast
import builtins
import importlib
import math
import os
import sys

MOST = 1 << 24
DEEP = json.dumps({"o": TOO_DEEP})
MODULES = {"math", "cmath", "re", "collections", "itertools", "functools", "datetime", "random", "string", "copy"}
"""What tests use without importing it, since the reference program did."""
UNTRUSTED = (AssertionError, StopIteration, StopAsyncIteration)
"""Exceptions that would pass for the test's own, or end its ``all(map(f, cases))`` early."""


class BadTestError(Exception):
    """The test is wrong, whatever the program does."""


class ProgramError(Exception):
    """The program failed in a way that is no exception of Python's own."""


class EndedError(BaseException):
    """The program is gone."""


class Remote:
    """Calls functions of the program."""

    def __init__(self, requests, responses, reports):
        self._requests, self._responses, self._reports = requests, os.fdopen(responses, "rb"), reports
        self.asked = False
        self.last = None
        """The last call that was answered: name, arguments, result."""

    def call(self, name, arguments, keywords):
        """Call a function by name; its exception, if it is one of Python's own, is raised here."""
        data = encode(list(arguments)), encode(keywords)
        text = json.dumps(data)
        if '{"o": "Opaque"}' in text or DEEP in text:  # quotes inside texts are escaped
            raise ProgramError(f"{name} is called with an earlier result, which is no plain data")
        if '{"o":' in text:
            raise BadTestError(f"{name} is called with something that is no plain data")
        if not self.asked:  # from here on, whatever goes wrong may be the program's doing
            self.asked = True
            report(self._reports, {"asked": True})
        try:
            os.write(self._requests, dump({"name": name, "args": data[0], "kwargs": data[1]}))
            line = self._responses.readline(MOST)
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            raise EndedError
        found = self.result(name, arguments, line)
        self.last = name, arguments, found
        return found

    def result(self, name, arguments, line):
        """What a response says."""
        try:
            message = json.loads(line)
            if "missing" in message:
                missing = str(message["missing"])
            elif "error" in message:
                missing, kind, text = None, str(message["error"]), str(message["text"])
            else:
                result = decode(message["result"])
                if result is None:
                    copy_back(arguments, decode(message["args"]))
                return result
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
            raise ProgramError("the program broke its connection") from None
        if missing is not None:
            raise NameError(f"the program has no function {name!r}")
        error = getattr(builtins, kind, None)
        if isinstance(error, type) and issubclass(error, Exception) and not issubclass(error, UNTRUSTED):
            raise made(error, text)
        raise ProgramError(f"{kind}: {text}")


def made(error, text):
    """An exception of this type."""
    try:
        return error(text)
    except Exception:
        return ProgramError(f"{error.__name__}: {text}")


def copy_back(arguments, after):
    """Let lists, sets and dictionaries of the caller change as the program has changed them.

    Only for functions that return nothing: else ``f(items) == sorted(items)`` is passed by emptying the list.
    """
    for mine, theirs in zip(arguments, after, strict=False):
        if type(mine) is type(theirs) and isinstance(mine, (list, set, dict)):
            mine.clear()
            mine.extend(theirs) if isinstance(mine, list) else mine.update(theirs)


class Function:
    """A function of the program. Tests may call it, and nothing else."""

    def __init__(self, remote, name):
        object.__setattr__(self, "_to", (remote, name))

    def __call__(self, *arguments, **keywords):
        remote, name = self._to
        return remote.call(name, arguments, keywords)

    def __getattr__(self, attribute):
        raise BadTestError(f"it uses {attribute!r} of {self._to[1]!r}; tests may only call the program's functions")


def wanted(tree):
    """The names that a test's code needs and does not make itself. Names of Python's own are never the program's."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    made_here = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            made_here.add(node.name)
        elif isinstance(node, ast.arg):
            made_here.add(node.arg)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            made_here |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ExceptHandler) and node.name:
            made_here.add(node.name)
    return {node.id for node in names} - made_here - set(dir(builtins))


def run_code(test, remote):
    """Run a test that is Python: asserts, or a function `check` that gets the program's function."""
    names = {"__name__": "tests"}
    try:  # without the program, which could make it fail
        exec(compile(ast.parse(test["setup"]), "setup", "exec"), names)
    except Exception as error:
        raise BadTestError(f"its setup fails: {type(error).__name__}: {error}") from None
    tree = ast.parse(test["setup"] + "\n" + test["code"])
    for name in wanted(tree):
        names[name] = importlib.import_module(name) if name in MODULES else Function(remote, name)
    exec(compile(ast.parse(test["code"]), "test", "exec"), names)
    if test.get("entry"):
        names["check"](Function(remote, test["entry"]))


def run_call(test, remote, tolerance):
    """Run a test that is a call and its expected value."""
    arguments = decode(test["args"])
    expected = decode(test["expected"])
    text = call_of(test["name"], arguments)
    found = remote.call(test["name"], arguments, {})
    accepted = [expected, *expected] if test["wrapped"] else [expected]
    if not any(same(found, value, tolerance) for value in accepted):
        raise AssertionError(f"{text} gives {short(found)}, expected {short(expected)}")


def same(a, b, tolerance):
    """Equality in which tuples are lists, and floats may differ by rounding."""
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):  # JSON has only texts as keys
        a, b = {str(k): v for k, v in a.items()}, {str(k): v for k, v in b.items()}
        return a.keys() == b.keys() and all(same(v, b[k], tolerance) for k, v in a.items())
    if isinstance(a, bool) or isinstance(b, bool):
        return type(a) is type(b) and a == b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)) and (isinstance(a, float) or isinstance(b, float)):
        return a == b or math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
    return a == b


def short(value):
    """A value in at most 60 characters."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 60 else text[:57] + "..."


def call_of(name, arguments):
    """A call as it is written."""
    return f"{name}({', '.join(map(short, arguments))})"


def failed_assert(error, code, last):
    """The assert that failed, and what the last call of the program gave, unless it has words of its own."""
    said = str(error)[:200]
    if not said and code and last:
        name, arguments, found = last
        said = f"({call_of(name, arguments)[:120]} gave {short(found)})"
    return f"{line_of(error, code)} {said}".strip() or "an assert fails"


def line_of(error, code):
    """The line of a test's code in which it failed."""
    number, trace = 0, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == "test":
            number = trace.tb_lineno
        trace = trace.tb_next
    lines = code.splitlines()
    return lines[number - 1].strip()[:120] if 0 < number <= len(lines) else ""


def outcome(test, remote, tolerance):
    """Run one test; the message of what came of it."""
    try:
        run_code(test, remote) if "code" in test else run_call(test, remote, tolerance)
    except BadTestError as error:
        return {"bad": str(error)}
    except AssertionError as error:
        return {"failed": failed_assert(error, test.get("code", ""), remote.last)}
    except EndedError:
        return {"ended": True}
    except BaseException as error:
        return {"failed": f"{line_of(error, test.get('code', ''))} {type(error).__name__}: {str(error)[:200]}".strip()}
    return {"ok": True}


def report(reports, message):
    """Write a report."""
    os.write(reports, dump(message))


def main(path, requests, responses, reports):
    """Run the tests; stop at the first that fails, if the file says so."""
    with open(path, encoding="utf-8") as file:
        spec = json.load(file)
    remote = Remote(int(requests), int(responses), int(reports))
    for number, test in enumerate(spec["tests"]):
        remote.asked, remote.last = False, None
        report(int(reports), {"test": number})
        message = outcome(test, remote, spec["tolerance"])
        report(int(reports), message)
        if "ended" in message or (spec["stop_early"] and "ok" not in message):
            break


if __name__ == "__main__":
    sys.setrecursionlimit(10_000)
    main(*sys.argv[1:])
