"""The tests' side: runs tests whose calls of the program's functions go to another process, and reports each.

Runs in a sandbox of its own, after `wire.py`, with the tests and without the program. Arguments: the tests' file, and
file descriptors: requests to the program, its responses, reports. A report is a line of JSON: ``{"test": n}`` when a
test begins, then ``{"ok": true}``, ``{"failed": why}``, or ``{"bad": why}`` if the test itself is wrong.
"""

import ast
import builtins
import os
import sys

MOST = 1 << 24


class BadTestError(Exception):
    """The test is wrong, whatever the program does."""


class ProgramError(Exception):
    """The program failed in a way that is no exception of Python's own."""


class EndedError(BaseException):
    """The program is gone."""


class Remote:
    """Calls functions of the program."""

    def __init__(self, requests, responses):
        self._requests, self._responses = requests, os.fdopen(responses, "rb")

    def call(self, name, arguments, keywords):
        """Call a function by name; its exception, if it is one of Python's own, is raised here."""
        data = encode(list(arguments)), encode(keywords)
        text = json.dumps(data)
        if '{"o": "Opaque"}' in text:  # quotes inside texts are escaped
            raise ProgramError(f"{name} is called with an earlier result, which is no plain data")
        if '{"o":' in text:
            raise BadTestError(f"{name} is called with something that is no plain data")
        try:
            os.write(self._requests, dump({"name": name, "args": data[0], "kwargs": data[1]}))
            line = self._responses.readline(MOST)
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            raise EndedError
        return self.result(name, arguments, line)

    def result(self, name, arguments, line):
        """What a response says."""
        try:
            message = json.loads(line)
            if "missing" in message:
                missing = str(message["missing"])
            elif "error" in message:
                missing, kind, text = None, str(message["error"]), str(message["text"])
            else:
                result, after = decode(message["result"]), decode(message["args"])
                copy_back(arguments, after)
                return result
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
            raise ProgramError("the program broke its connection") from None
        if missing is not None:
            raise NameError(f"the program has no function {name!r}")
        error = getattr(builtins, kind, None)
        if isinstance(error, type) and issubclass(error, Exception) and not issubclass(error, AssertionError):
            raise made(error, text)
        raise ProgramError(f"{kind}: {text}")


def made(error, text):
    """An exception of this type."""
    try:
        return error(text)
    except Exception:
        return ProgramError(f"{error.__name__}: {text}")


def copy_back(arguments, after):
    """Let lists, sets and dictionaries of the caller change as the program has changed them."""
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
    names |= {name: Function(remote, name) for name in wanted(tree)}
    exec(compile(ast.parse(test["code"]), "test", "exec"), names)
    if test.get("entry"):
        names["check"](Function(remote, test["entry"]))


def run_call(test, remote):
    """Run a test that is a call and its expected value."""
    arguments = decode(test["args"])
    expected = decode(test["expected"])
    text = f"{test['name']}({', '.join(map(short, arguments))})"
    found = remote.call(test["name"], arguments, {})
    if not any(same(found, value) for value in (expected, *unwrapped(expected))):
        raise AssertionError(f"{text} gives {short(found)}, expected {short(expected)}")


def unwrapped(expected):
    """Some data sets put a result into a list of one."""
    return expected if isinstance(expected, list) and len(expected) == 1 else []


def same(a, b):
    """Equality in which tuples are lists, and floats may differ by rounding."""
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):  # JSON has only texts as keys
        a, b = {str(k): v for k, v in a.items()}, {str(k): v for k, v in b.items()}
        return a.keys() == b.keys() and all(same(v, b[k]) for k, v in a.items())
    if isinstance(a, bool) or isinstance(b, bool):
        return type(a) is type(b) and a == b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)) and (isinstance(a, float) or isinstance(b, float)):
        return a == b or abs(a - b) <= 1e-6 * max(1.0, abs(a), abs(b))
    return a == b


def short(value):
    """A value in at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def line_of(error, code):
    """The line of a test's code in which it failed."""
    number, trace = 0, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == "test":
            number = trace.tb_lineno
        trace = trace.tb_next
    lines = code.splitlines()
    return lines[number - 1].strip()[:120] if 0 < number <= len(lines) else ""


def outcome(test, remote):
    """Run one test; the message of what came of it."""
    try:
        (run_code if "code" in test else run_call)(test, remote)
    except BadTestError as error:
        return {"bad": str(error)}
    except AssertionError as error:
        return {"failed": f"{line_of(error, test.get('code', ''))} {str(error)[:200]}".strip() or "an assert fails"}
    except EndedError:
        return {"ended": True}
    except BaseException as error:
        return {"failed": f"{line_of(error, test.get('code', ''))} {type(error).__name__}: {str(error)[:200]}".strip()}
    return {"ok": True}


def main(path, requests, responses, reports):
    """Run the tests; stop at the first that fails, if the file says so."""
    with open(path, encoding="utf-8") as file:
        spec = json.load(file)
    remote = Remote(int(requests), int(responses))
    for number, test in enumerate(spec["tests"]):
        os.write(int(reports), dump({"test": number}))
        message = outcome(test, remote)
        os.write(int(reports), dump(message))
        if "ended" in message or (spec["stop_early"] and "ok" not in message):
            break


if __name__ == "__main__":
    sys.setrecursionlimit(10_000)
    main(*sys.argv[1:])
