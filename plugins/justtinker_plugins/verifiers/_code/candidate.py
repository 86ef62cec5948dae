"""The program's side: loads the program, then answers calls of its functions, one line of JSON each.

Runs in the sandbox with the program, after `wire.py`. Arguments: the program's file, and two file descriptors. It never
sees a test or an expected value, only the arguments of the next call, so a program that takes it over gains nothing.
"""

import os
import sys


def load(path):
    """Run the program as a module and return its names."""
    names = {"__name__": "program", "__builtins__": __builtins__}
    with open(path, encoding="utf-8") as file:
        exec(compile(file.read(), "program.py", "exec"), names)
    return names


def find(names, function):
    """The function of this name: the program's, or a method of its class Solution."""
    if callable(names.get(function)):
        return names[function]
    return getattr(names["Solution"](), function)


def answer(names, call):
    """Call a function. Returns the message with its result and its arguments afterwards."""
    arguments, keywords = decode(call["args"]), decode(call["kwargs"])
    try:
        function = find(names, call["name"])
    except Exception:
        return {"missing": call["name"]}
    result = function(*arguments, **keywords)
    return {"result": encode(result), "args": encode(arguments if result is None else [])}


def said(error):
    """An exception as a message."""
    return {"error": type(error).__name__, "text": str(error)[:500]}


def main(path, requests, responses):
    """Serve calls until there are no more."""
    try:
        names = load(path)
    except Exception as error:
        names, broken = {}, said(error)
    else:
        broken = None
    for line in os.fdopen(int(requests), "rb"):
        try:
            message = broken or answer(names, json.loads(line))
        except Exception as error:
            message = said(error)
        os.write(int(responses), dump(message))


if __name__ == "__main__":
    sys.setrecursionlimit(10_000)
    main(*sys.argv[1:])
