from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from justtinker_plugins.shared.sandbox import commands, running
from justtinker_plugins.shared.sandbox.commands import INSTALL, MEND, Limits, contents, trouble
from justtinker_plugins.shared.sandbox.running import Ended, run
from justtinker_plugins.shared.sandbox.seccomp import MACHINES, REFUSED, program_filter
from tests.plugins.sandbox import needs_sandbox


def ended(source: str, stdin: str = "", *, unsafe: bool = False, **limits: float) -> Ended:
    return asyncio.run(run(source, stdin, Limits(**limits), unsafe=unsafe))  # type: ignore[arg-type]


def family(pid: int = 0) -> set[int]:
    """All processes below this one, zombies included."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid or 'self'}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found |= {child} | family(child)
    return found


def runs(pid: int) -> bool:
    """Whether a process runs; one that has ended may wait for the machine's first process to collect it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pids: set[int]) -> bool:
    """Whether these processes end within some seconds."""
    deadline = time.monotonic() + 10
    while alive := {pid for pid in pids if runs(pid)}:
        if time.monotonic() > deadline:
            return not alive
        time.sleep(0.05)
    return True


@needs_sandbox
def test_a_program_reads_and_prints() -> None:
    assert ended("print(2 * int(input()))", "21\n") == Ended("", 0, "42\n", "")
    crashed = ended("import sys\nprint('said', file=sys.stderr)\nsys.exit(3)")
    assert crashed == Ended("", 3, "", "said\n")
    assert ended("print(input())", "x" * 10**6, output_kb=2000).output == "x" * 10**6 + "\n"
    assert ended("pass", "x" * 10**7) == Ended("", 0)  # it need not read its input


@needs_sandbox
def test_it_has_the_standard_library_and_no_disk(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    program = (
        "import os, sys\n"
        f"print([p for p in ({str(tmp_path)!r}, {os.getcwd()!r}, {sys.prefix!r}) if os.path.exists(p)])\n"
        "try: open('x', 'w')\nexcept OSError as e: print(e.strerror)\n"
        "print(os.listdir(), sorted(os.listdir('/dev')), os.getpid() < 9, os.getuid())\n"
        "import json, ctypes, sqlite3, decimal, asyncio, threading\n"
        "t = threading.Thread(target=print, args=('thread',))\nt.start()\nt.join()\n"
        "print(asyncio.run(asyncio.sleep(0, 'loop')), len(open('/dev/urandom', 'rb').read(4)))\n"
        "print('x', file=open('/dev/null', 'w'))"
    )
    said = ended(program)
    assert said.output.splitlines() == [
        "[]",
        "Read-only file system",
        "[] ['null', 'random', 'urandom', 'zero'] True 65534",
        "thread",
        "loop 4",
    ], said


@needs_sandbox
@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("while True: pass", "cpu"),
        ("import time\ntime.sleep(99)", "wall"),
        ("while True: print('x' * 1000)", "output"),
    ],
)
def test_limits_end_it(program: str, why: str) -> None:
    wall = 1 if why == "wall" else 60
    assert ended(program, cpu=1, wall=wall, output_kb=64).why == why


@needs_sandbox
def test_what_is_printed_before_the_end_is_kept() -> None:
    assert ended("import time\nprint(4, flush=True)\ntime.sleep(99)", wall=1.0) == Ended("wall", 137, "4\n", "")
    assert len(ended("while True: print('x' * 1000)", output_kb=64).output) == 64 * 1024 + 1


def times_when(code: str) -> tuple[float, float]:
    """The times of a Python process as soon as it has printed something."""
    code = f"import threading, time\n{code}\ninput()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        found = running.times_of(process.pid)
        process.communicate(b"\n")
    return found


@needs_sandbox
def test_a_program_that_the_machine_does_not_run_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starving a real one takes a busy machine; that the kernel counts the waiting is checked with another process."""
    waits, crowd = times_when("while time.process_time() < 1: pass\nprint(0, flush=True)")
    assert waits > 0
    assert crowd == pytest.approx(0, abs=0.1)
    thread = "t = threading.Thread(target=lambda: [0 for _ in iter(lambda: time.thread_time() < 1, False)])\n"
    waits, crowd = times_when(thread + "t.start()\nt.join()\nprint(1, flush=True)")
    assert crowd == pytest.approx(1, abs=0.1)
    monkeypatch.setattr(running, "times_of", lambda pid: (0.8, 0.2))
    assert ended("import time\ntime.sleep(99)", wall=1.0).why == "busy"
    monkeypatch.setattr(running, "times_of", lambda pid: (0.8, 0.4))  # its own threads may have crowded the processor
    assert ended("import time\ntime.sleep(99)", wall=1.0).why == "wall"


@needs_sandbox
def test_a_sandbox_that_does_not_start_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "USR", (*commands.USR, "/etc"))
    real = commands._system_folders
    monkeypatch.setattr(commands, "_system_folders", lambda: (*real(), "--ro-bind", "/nowhere", "/nowhere"))
    found = ended("print(4)")
    assert (found.why, found.errors) == ("start", "bwrap: Can't find source path /nowhere: No such file or directory\n")


@needs_sandbox
def test_nothing_survives_a_cancelled_program() -> None:
    async def cancelled() -> None:
        task = asyncio.create_task(run("import time\ntime.sleep(98765)", "", Limits(wall=100)))
        await asyncio.sleep(0.7)
        mine.update(family() - before)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    before, files, mine = family(), len(os.listdir("/proc/self/fd")), set[int]()
    asyncio.run(cancelled())
    assert len(mine) >= 2
    assert gone(mine)
    assert len(os.listdir("/proc/self/fd")) <= files


@needs_sandbox
def test_nothing_survives_a_killed_parent() -> None:
    code = (
        "import asyncio\nfrom justtinker_plugins.shared.sandbox.running import Limits, run\n"
        "asyncio.run(run('import time; time.sleep(98765)', '', Limits(wall=100)))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 30
    while len(mine := family(parent.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert len(mine) >= 2
    assert gone(mine)


def test_without_a_sandbox_there_are_limits_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINKER_API_KEY", "secret")
    assert ended("print(2 * int(input()))", "21", unsafe=True) == Ended("", 0, "42\n")
    assert ended("import os\nprint(os.environ.get('TINKER_API_KEY'))", unsafe=True).output == "None\n"
    assert ended("while True: pass", unsafe=True, cpu=1, wall=60).why == "cpu"
    assert ended("x = bytearray(10**9)", unsafe=True).errors.endswith("MemoryError\n")
    child = "import subprocess\nprint(subprocess.Popen(['/bin/sleep', '60']).pid)"
    said = ended(child, unsafe=True, wall=1.0)
    assert gone({int(said.output)})


def test_no_bubblewrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    trouble.cache_clear()
    assert trouble() == f"bwrap is not installed: {INSTALL}"
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    trouble.cache_clear()
    said = "bwrap: No permissions to create new namespace"
    assert trouble() == f"bwrap cannot make a sandbox here ({said}): {MEND}"
    fake.write_text("not a program")
    trouble.cache_clear()
    assert trouble().startswith("bwrap does not work here ([Errno 8] Exec format error")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    trouble.cache_clear()
    assert trouble() == ("there is no filter of system calls for this processor (riscv64), only for x86_64, aarch64")
    monkeypatch.setattr("sys.platform", "darwin")
    trouble.cache_clear()
    assert trouble() == "bubblewrap needs Linux: run in a Linux container or virtual machine"
    monkeypatch.undo()
    trouble.cache_clear()


@pytest.mark.parametrize("machine", MACHINES)
def test_the_filter(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    column = list(MACHINES).index(machine)
    refused = [numbers[column] for numbers in REFUSED.values() if numbers[column] is not None]
    assert len(set(refused)) == len(refused)
    assert len(program_filter()) == 8 * (6 + 2 * len(refused) + 7)


THREADS = """
import threading, time
n = 0
try:
    while n < 999:
        threading.Thread(target=time.sleep, args=(1,), daemon=True).start()
        n += 1
except RuntimeError:
    pass
print(n)
"""


@needs_sandbox
@pytest.mark.skipif(
    os.getuid() != 0 or not os.path.exists("/usr/bin/python3"),
    reason="needs root, to become nobody, and Python in /usr",
)
def test_an_ordinary_user_has_a_sandbox_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the system's Python, since ours may stand where others may not look. Its threads are limited."""
    monkeypatch.setattr("sys.base_prefix", "/usr")
    monkeypatch.setattr(commands, "PYTHON", os.path.realpath("/usr/bin/python3"))
    commands._system_folders.cache_clear()
    with contents(THREADS.encode()) as program, contents(program_filter()) as rules:
        command = commands.bubblewrap(
            commands.python_of("/program.py"), {"/program.py": program}, rules, Limits(memory_mb=4096)
        )
        tried = subprocess.run(
            command,
            capture_output=True,
            text=True,
            pass_fds=(program, rules),
            user=65534,
            group=65534,
            extra_groups=[],
            cwd="/",
            timeout=60,
        )
    commands._system_folders.cache_clear()
    assert tried.stderr == ""
    assert 60 <= int(tried.stdout) <= 64
