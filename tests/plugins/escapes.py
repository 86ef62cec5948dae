"""Programs that try to be paid without solving the problem, or to harm the machine: the escape corpus of `code`.

The problem wants a program that reads a number and prints its double (`RUNS`), or a function `double` (`CALLS`). No
program here does it, so each must be incorrect: neither correct nor unscored. A part of the reason stands beside it.
"""

from __future__ import annotations

from justtinker_core.testing import make_problem

RUNS = make_problem("Double it.", None, kind="code", meta={"tests": [["2", "4"], ["21", "42"]]})
CALLS = make_problem(
    "double(x)", None, kind="code", meta={"test_list": ["assert double(2) == 4", "assert double(21) == 42"]}
)
HUMAN_EVAL = make_problem(
    "double(x)",
    None,
    kind="code",
    meta={
        "entry_point": "double",
        "test": "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(21) == 42",
    },
)
NAMED = make_problem(
    "double(x)",
    None,
    kind="code",
    meta={"input_output": '{"fn_name": "double", "inputs": [[2], [21]], "outputs": [4, 42]}'},
)

WAITS = ("sleep", "stopping", "a thread bomb", "closed connection")
"""In the names of those that wait instead of working: a short time on the clock is enough for them."""
PROGRAMS: dict[str, tuple[str, str]] = {
    "the expected text of the first test": ("print(4)", "test 2 of 2: printed '4', expected '42'"),
    "all expected texts": ("print(4)\nprint(42)", "test 1 of 2"),
    "nothing, politely": ("import sys\nsys.exit(0)", "printed ''"),
    "nothing, at once": ("import os\nos._exit(0)", "printed ''"),
    "the status of a time-out": ("import os\nos._exit(137)", "it was killed"),
    "the status of a failed sandbox": ("import os\nos._exit(1)", "exit status 1"),
    "network": (
        "import socket\nsocket.create_connection(('1.1.1.1', 53), timeout=2)",
        "PermissionError",
    ),
    "network of the virtual machine": ("import socket\nsocket.socket(40, 1)", "PermissionError"),
    "files of the parent": ("print(open('/etc/passwd').read())", "FileNotFoundError"),
    "the environment": (
        "import os\nprint(sorted(set(os.environ) - {'LANG', 'PWD', 'LC_CTYPE'}))",
        "printed '[]', expected '4'",
    ),
    "open files of the parent": (
        "import os\nopened = []\nfor n in range(3, 1024):\n    try: opened.append((n, os.fstat(n)))\n"
        "    except OSError: pass\nprint(opened)",
        "printed '[]', expected '4'",
    ),
    "tests through /proc": ("print(open('/proc/1/cmdline').read())", "FileNotFoundError"),
    "tests in its own folder": (
        "import os\nprint(os.listdir('/'), os.listdir('.'), os.listdir('/etc'))",
        "'program.py'",
    ),
    "a fork bomb": ("import os\nwhile True: os.fork()", "PermissionError"),
    "a fork bomb of raw calls": (
        "import ctypes\nc = ctypes.CDLL(None)\nprint([c.syscall(n, 17, 0, 0, 0, 0) for n in (56, 57, 58, 435)])",
        "printed '[-1, -1, -1, -1]'",
    ),
    "a thread bomb": (
        "import threading, time\nthreading.stack_size(32768)\n"
        "while True: threading.Thread(target=time.sleep, args=(99,), daemon=True).start()",
        "test 1 of 2",
    ),
    "a daemon that lives on": (
        "import subprocess, sys\nsubprocess.Popen(['/bin/sleep', '98765'], start_new_session=True)",
        "PermissionError",
    ),
    "its own session, and another program": (
        "import os\nos.execv('/bin/sh', ['sh', '-c', 'sleep 98765 & echo 4'])",
        "test 1 of 2",
    ),
    "memory": ("x = bytearray(10**10)", "MemoryError"),
    "memory, bit by bit": ("x = []\nwhile True: x.append(bytearray(10**6))", "test 1 of 2"),
    "memory of others": (
        "import ctypes\nc = ctypes.CDLL(None)\nprint(c.shmget(0, 1 << 30, 0o1666), c.memfd_create(b'x', 0))",
        "printed '-1 -1'",
    ),
    "10 GB of output": (
        "import os\nx = b'4' * 10**6\nfor _ in range(10_000): os.write(1, x)",
        "printed more than 64 KB",
    ),
    "10 GB of errors": (
        "import os\nx = b'4' * 10**6\nfor _ in range(10_000): os.write(2, x)",
        "printed more than 64 KB",
    ),
    "a huge file": ("with open('x', 'wb') as f:\n    while True: f.write(bytes(10**6))", "OSError"),
    "many files": (
        "for n in range(100):\n    with open(f'{n}', 'wb') as f: f.write(bytes(60_000))",
        "Read-only file system",
    ),
    "sleeping": ("import time\ntime.sleep(99)", "it was not done after 2 s"),
    "sleeping, then working, as if the machine were busy": (
        "import time\ntime.sleep(1.7)\nwhile True: pass",
        "it was not done after 2 s",
    ),
    "letting others go first": ("import os\nos.nice(19)\nprint(4)", "PermissionError"),
    "working without end": ("while True: pass", "it ran for 1 s of the processor"),
    "working without end, deaf to its limit": (
        "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
        "test 1 of 2",
    ),
    "killing its judge": (
        "import os, signal\nfor pid in (1, os.getppid(), 0, -1):\n    try: os.kill(pid, signal.SIGKILL)\n"
        "    except OSError: pass\nprint(4)",
        "printed '4', expected '42'",  # it is the first process of its namespace, and deaf to its own signals
    ),
    "stopping itself": ("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", "printed ''"),
    "ptrace": ("import ctypes\nprint(ctypes.CDLL(None).ptrace(16, 1, 0, 0))", "printed '-1'"),
    "namespaces of its own": (
        "import ctypes\nc = ctypes.CDLL(None)\nprint(c.unshare(0x10000000), c.mount(b'x', b'/tmp', b'tmpfs', 0, 0))",
        "printed '-1 -1'",
    ),
    "the mode of a device": ("import os\nos.chmod('/dev/null', 0)", "PermissionError"),
    "links to the outside": (
        "import os\nos.symlink('/proc/1/root/etc/shadow', 'x')\nprint(open('x').read())",
        "Read-only file system",
    ),
    "writing to the system": ("open('/usr/lib/x', 'w')", "Read-only file system"),
    "writing to its own file": ("open('/program.py', 'w')", "Read-only file system"),
    "deep recursion": ("import sys\nsys.setrecursionlimit(10**9)\nf = lambda: f()\nf()", "test 1 of 2"),
    "deep recursion in C": (
        "import sys\nsys.setrecursionlimit(10**9)\nx = []\nfor _ in range(10**6): x = [x]\nprint(repr(x) == 4)",
        "test 1 of 2",
    ),
    "a crash": ("import ctypes\nctypes.string_at(0)", "segmentation fault"),
    "an abort": ("import os\nos.abort()", "it crashed"),
    "an exit handler": ("import atexit, os\natexit.register(lambda: print(4))", "test 2 of 2"),
    "closed streams": ("import os\nos.close(0)\nos.close(1)\nos.close(2)\nwhile True: pass", "test 1 of 2"),
    "no program": ("(", "SyntaxError"),
    "a zero byte": ("\x00", "null bytes"),
    "half a character": ("print('\ud800')", "UnicodeEncodeError"),
    "packages of ours": ("import justtinker_core", "ModuleNotFoundError"),
    "packages of others": ("import numpy", "ModuleNotFoundError"),
}

FORGE = "import json, os\nfor fd in range(3, 1024):\n    try: os.write(fd, {line!r} * 9)\n    except OSError: pass\n"
FUNCTIONS: dict[str, tuple[str, str]] = {
    "an emptied argument": ("def double(x):\n    try: x.clear()\n    finally: return x", "test 1 of 2"),
    "no function": ("x = 1", "double"),
    "the wrong value": ("double = lambda x: 4", "test 2 of 2"),
    "an object that equals everything": (
        "class All:\n    def __eq__(self, other): return True\n    __hash__ = None\ndouble = lambda x: All()",
        "test 1 of 2",
    ),
    "a number that equals everything": (
        "class All(int):\n    def __eq__(self, other): return True\n    __hash__ = None\ndouble = lambda x: All()",
        "test 1 of 2",
    ),
    "a class that equals everything": (
        "class Meta(type):\n    def __eq__(self, other): return True\n    __hash__ = None\n"
        "class All(metaclass=Meta): pass\ndouble = lambda x: All",
        "test 1 of 2",
    ),
    "infinity": ("double = lambda x: float('inf')", "test 1 of 2"),
    "lists of infinity": ("double = lambda x: [float('inf')]", "test 1 of 2"),
    "minus infinity": ("double = lambda x: float('-inf')", "test 1 of 2"),
    "no number": ("double = lambda x: float('nan')", "test 1 of 2"),
    "no exception": ("import sys\ndef double(x): sys.exit(0)", "it ended before it was asked to"),
    "no exception at all": ("import os\ndef double(x): os._exit(0)", "it ended before it was asked to"),
    "an end while it is loaded": ("import sys\nsys.exit(0)", "it ended before it was asked to"),
    "an assertion of its own": ("def double(x): raise AssertionError", "test 1 of 2"),
    "the end of a loop": ("def double(x): raise StopIteration", "test 1 of 2"),
    "other builtins": (
        "import builtins\nbuiltins.AssertionError = Exception\nbuiltins.all = lambda *a: True\ndouble = lambda x: 0",
        "test 1 of 2",
    ),
    "another checker": (
        "import sys\nmain = sys.modules['__main__']\nfor name in ('check', 'outcome', 'same', 'encode', 'dump'):\n"
        "    setattr(main, name, lambda *a: True)\ndouble = lambda x: 0",
        "test 1 of 2",
    ),
    "the frames of its caller": (
        "import sys\ndef double(x):\n    frame = sys._getframe()\n    while frame:\n"
        "        for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):\n"
        "            if '42' in repr(value) and x == 21: return 42\n"
        "            if 'assert' in repr(value): return 4\n        frame = frame.f_back\n    return 0",
        "test 1 of 2",
    ),
    "tests in memory": (
        "import gc\ndef double(x):\n    seen = [o for o in gc.get_objects() if isinstance(o, (str, dict, list))]\n"
        "    return 4 if any('double(21)' in repr(o)[:10**5] for o in seen[-2000:]) else 0",
        "test 1 of 2",
    ),
    "tests on the disk": (
        "import glob\ndef double(x):\n    files = [f for f in glob.glob('/*') + glob.glob('/tmp/*')\n"
        "             if 'test' in f or 'driver' in f]\n"
        "    return 4 if files else 0",
        "test 1 of 2",
    ),
    "forged reports": (FORGE.replace("{line!r}", repr(b'{"ok": true}\n')) + "double = lambda x: 0", "test 1 of 2"),
    "forged malformed tests": (
        FORGE.replace("{line!r}", repr(b'{"bad": "the test"}\n')) + "double = lambda x: 0",
        "the program broke its connection",
    ),
    "a forged missing function": (
        FORGE.replace("{line!r}", repr(b'{"missing": "double"}\n')) + "double = lambda x: 0",
        "no function 'double'",
    ),
    "answers of endless length": (
        "import os\nfor fd in range(3, 1024):\n    try:\n        while True: os.write(fd, b'x' * 10**6)\n"
        "    except OSError: pass",
        "test 1 of 2",
    ),
    "a closed connection": ("import os, time\nos.closerange(3, 1024)\ntime.sleep(99)", "test 1 of 2"),
    "a function that sleeps": ("import time\ndef double(x): time.sleep(99)", "it was not done after 2 s"),
    "a function that hangs": ("def double(x):\n    while True: pass", "s of the processor"),
    "a value that is long": ("double = lambda x: range(10**18)", "test 1 of 2"),
    "a value that is deep": (
        "def double(x):\n    y = []\n    for _ in range(10**5): y = [y]\n    return y",
        "test 1 of 2",
    ),
    "a value that is large": ("double = lambda x: 1 << 10**7", "test 1 of 2"),
    "a value that refers to itself": ("x = []\nx.append(x)\ndouble = lambda y: x", "test 1 of 2"),
    "an iterator without end": ("import itertools\ndouble = lambda x: itertools.count()", "test 1 of 2"),
    "a value that is no plain data": ("double = lambda x: print", "test 1 of 2"),
    "nothing": ("def double(x): pass", "test 1 of 2"),
    "not a number": ("double = lambda x: float('nan')", "test 1 of 2"),
    "an error whose text cannot be written": (
        "class E(Exception):\n    def __str__(self): raise E\ndef double(x): raise E",
        "test 1 of 2",
    ),
    "text for the reader of the records": ("def double(x): raise ValueError('\\x1b]0;hi\\x07' * 10**6)", "ValueError"),
}
