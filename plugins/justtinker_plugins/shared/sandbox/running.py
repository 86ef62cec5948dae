"""Start, watch and end sandboxed programs on an event loop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from justtinker_plugins.shared.sandbox.commands import Limits, bubblewrap, contents, limited, python_of
from justtinker_plugins.shared.sandbox.seccomp import program_filter

Why = Literal["", "cpu", "wall", "output", "busy", "start"]
"""What ended a program: itself; its time on the processor or on the clock; too much output; a machine that was too busy
to run it; a sandbox that did not start. The last two say nothing about the program."""
KILLED = 128 + signal.SIGKILL
NEARLY = 0.9
"""The kernel may count time on a processor in ticks, and a little too much."""
PATIENCE = 5.0
"""Seconds for bwrap and for the streams of a killed program to end."""
ERRORS = 1 << 14
"""Bytes of standard error that are kept."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended."""

    why: Why
    code: int
    """Exit status; 128 + n for signal n."""
    output: str = ""
    errors: str = ""
    """The end of what it wrote to standard error."""


@dataclass
class Program:
    """A program under way."""

    process: asyncio.subprocess.Process
    limits: Limits
    sandboxed: bool
    status: int
    """Reads what bwrap says about the program's end."""
    begun: float
    """By the clock, before it was started: it cannot have used more time of one processor than has passed since."""
    why: Why = field(default="", init=False)

    def kill(self, why: Why) -> None:
        """End the program and whatever it started. The first reason counts."""
        self.why = self.why or why
        kill(self.process, self.sandboxed)

    def starved(self) -> bool:
        """Whether the machine has let the program wait for a processor for more than half of its time on the clock."""
        waits, crowd = times_of(self.process.pid)
        return waits - crowd > self.limits.wall / 2

    def out_of_time(self) -> None:
        """End the program because its time on the clock is over, or the machine has not let it run."""
        self.kill("busy" if self.starved() else "wall")

    async def wait(self) -> tuple[Why, int]:
        """What ended the program, and its exit status."""
        code = self.process.returncode
        if code is None:
            code = await self.process.wait()
        code = 128 - code if code < 0 else code
        if self.sandboxed and not self.why and not self._ran():
            return "start", code
        out_of_cpu = code == KILLED and time.monotonic() - self.begun >= NEARLY * self.limits.cpu
        return self.why or ("cpu" if out_of_cpu else ""), code

    def _ran(self) -> bool:
        said = b""
        with suppress(BlockingIOError):
            while chunk := os.read(self.status, 4096):
                said += chunk
        lines = [json.loads(line) for line in said.splitlines() if line.strip()]
        return any("exit-code" in line for line in lines)


def times_of(pid: int) -> tuple[float, float]:
    """Seconds that the innermost child of a process has waited for a processor, and that its threads have crowded one.

    The first is of its main thread: what it waits for itself, asleep, is no such time. The second is what its other
    threads have used: the main one waits for them no longer than that. So the difference is what others have taken,
    and no program can raise it. 0 where the kernel does not say.
    """
    while children := children_of(pid):
        pid = children[0]
    with suppress(OSError, ValueError, IndexError):
        own, waits = (int(text) / 1e9 for text in Path(f"/proc/{pid}/schedstat").read_text().split()[:2])
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return waits, max(0.0, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") - own)
    return 0.0, 0.0


@asynccontextmanager
async def started(
    files: Mapping[str, bytes],
    limits: Limits,
    *,
    arguments: Sequence[str] = (),
    unsafe: bool = False,
    keep: Sequence[int] = (),
    piped: bool = False,
) -> AsyncIterator[Program]:
    """Run the first of these files, path -> content, as a Python program; the other paths may be its `arguments`.

    `keep` are file descriptors that it gets. Its standard streams are pipes if `piped`, otherwise nothing. `unsafe`
    runs it without a sandbox, with limits only. On leaving, the program and whatever it started is killed.
    """
    with ExitStack() as stack:
        given = {path: stack.enter_context(contents(content)) for path, content in files.items()}
        main = next(iter(given))
        passed = [*given.values(), *keep]
        status, says = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        stack.callback(os.close, status)
        stack.callback(os.close, says)
        if unsafe:
            names = {path: f"/dev/fd/{descriptor}" for path, descriptor in given.items()}
            command = limited(
                [*python_of(names[main]), *(names.get(a, a) for a in arguments)], replace(limits, threads=0)
            )
        else:
            seccomp = stack.enter_context(contents(program_filter()))
            passed += [says, seccomp]
            command = bubblewrap([*python_of(main), *arguments], given, seccomp, limits, says)
        begun = time.monotonic()
        program = Program(await spawn(command, passed, piped, not unsafe), limits, not unsafe, status, begun)
        try:
            yield program
        finally:
            await end(program.process, not unsafe)


async def spawn(
    command: Sequence[str], passed: Sequence[int], piped: bool, sandboxed: bool
) -> asyncio.subprocess.Process:
    """Start a command in a process group of its own. Cancelled meanwhile, it is ended."""
    pipe = asyncio.subprocess.PIPE if piped else asyncio.subprocess.DEVNULL
    spawning = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=pipe, pass_fds=passed, start_new_session=True,
            cwd="/", env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        )
    )  # fmt: skip
    try:
        return await asyncio.shield(spawning)
    except asyncio.CancelledError:
        await end(await spawning, sandboxed)
        raise


async def end(process: asyncio.subprocess.Process, sandboxed: bool) -> None:
    """Kill a process and whatever it started, and wait until all of it is gone."""
    kill(process, sandboxed)
    try:
        await asyncio.wait_for(gone(process), PATIENCE)
    except TimeoutError:  # without a sandbox, a child that has left the group may live on and hold a stream
        kill_group(process, sandboxed)
        with suppress(TimeoutError):
            await asyncio.wait_for(gone(process), PATIENCE)


async def gone(process: asyncio.subprocess.Process) -> None:
    """Wait for the end of a process and of its output."""
    for stream in filter(None, (process.stdout, process.stderr)):
        await drain(stream)
    await process.wait()


def kill(process: asyncio.subprocess.Process, sandboxed: bool) -> None:
    """Kill what runs inside the sandbox; bwrap then ends by itself, and leaves no zombie. Otherwise kill all."""
    if sandboxed and process.returncode is not None:
        return
    children = children_of(process.pid) if sandboxed else []
    for child in children:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(child, signal.SIGKILL)
    if not children:
        kill_group(process, sandboxed)


def kill_group(process: asyncio.subprocess.Process, sandboxed: bool) -> None:
    """Kill bwrap, the first process inside the sandbox and the program at once.

    Killed alone, bwrap could leave a sandbox behind that it had not tied to itself yet.
    """
    with suppress(ProcessLookupError, PermissionError):
        if process.returncode is None or not sandboxed:
            os.killpg(process.pid, signal.SIGKILL)


def children_of(pid: int) -> list[int]:
    """The children of a process."""
    with suppress(OSError, ValueError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


async def run(source: str, stdin: str, limits: Limits, *, unsafe: bool = False) -> Ended:
    """Run a program with this standard input to its end, or to the end of what it may use."""
    async with started({"/program.py": encoded(source)}, limits, unsafe=unsafe, piped=True) as program:
        streams = program.process
        assert streams.stdin is not None
        assert streams.stdout is not None
        assert streams.stderr is not None
        output, errors = bytearray(), bytearray()
        work = asyncio.gather(
            feed(streams.stdin, encoded(stdin)),
            take(streams.stdout, output, program),
            take(streams.stderr, errors, program),
            program.process.wait(),
        )
        try:
            done, _ = await asyncio.wait([work], timeout=limits.wall)
            if not done:
                program.out_of_time()
                await asyncio.wait([work], timeout=PATIENCE)
        finally:
            work.cancel()  # without a sandbox, a child may live on and hold a stream
            await asyncio.gather(work, return_exceptions=True)
        why, code = await program.wait()
        return Ended(why, code, output.decode(errors="replace"), errors[-ERRORS:].decode(errors="replace"))


async def feed(stream: asyncio.StreamWriter, data: bytes) -> None:
    """Write a program's standard input; it need not read it."""
    with suppress(ConnectionError):
        stream.write(data)
        await stream.drain()
    with suppress(ConnectionError):
        stream.close()
        await stream.wait_closed()


async def take(stream: asyncio.StreamReader, data: bytearray, program: Program) -> None:
    """Read a stream of a program to its end; kill the program if it writes more than it may."""
    most = program.limits.output_kb << 10
    while chunk := await stream.read(1 << 16):
        data += chunk[: most - len(data) + 1]
        if len(data) > most:
            program.kill("output")


async def drain(stream: asyncio.StreamReader) -> None:
    """Read to the end. asyncio does not tell that a process has ended before its pipes have (until Python 3.12.4)."""
    while await stream.read(1 << 16):
        pass


def encoded(text: str) -> bytes:
    """A text as UTF-8; what UTF-8 cannot hold is escaped."""
    return text.encode("utf-8", "backslashreplace")
