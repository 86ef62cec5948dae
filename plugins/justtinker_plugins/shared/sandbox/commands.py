"""The command that runs a Python program in bubblewrap, and why it may not work on this machine."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from justtinker_plugins.shared.sandbox.seccomp import program_filter

PYTHON = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
"""The interpreter itself, not that of a virtual environment: programs have the standard library only."""
INSTALL = "install bubblewrap (Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap)"
USR = ("/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib")
MEND = (
    "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0; on Ubuntu "
    "24.04 and later an AppArmor profile for bwrap, or kernel.apparmor_restrict_unprivileged_userns=0; in Docker "
    "--security-opt seccomp=unconfined --security-opt apparmor=unconfined, or --privileged)"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use."""

    cpu: int = 6
    """Seconds of the processor."""
    wall: float = 20.0
    """Seconds on the clock."""
    memory_mb: int = 512
    output_kb: int = 1024
    """What it may print."""
    threads: int = 64
    """Threads at once; 0: no limit."""


def limited(command: Sequence[str], limits: Limits) -> list[str]:
    """The command, run by a shell that first sets the limits of its process; they cannot be raised again.

    The limit of threads holds for ordinary users; the kernel does not apply it to root.
    """
    sets = [
        "set -e",
        f"ulimit -t {limits.cpu}",
        f"ulimit -v {limits.memory_mb << 10}",
        f"ulimit -f {max(1, limits.output_kb * 2)}",  # blocks of 512 bytes
        "ulimit -c 0",
        "ulimit -n 64",
    ]
    if limits.threads:
        sets.append(f"ulimit -u {limits.threads} 2>/dev/null || ulimit -p {limits.threads}")  # bash, dash
    return ["/bin/sh", "-c", f'{"; ".join(sets)}; exec "$@"', "sh", *command]


def python_of(file: str) -> list[str]:
    """The command that runs a file with nothing but the standard library."""
    return [PYTHON, "-I", "-S", "-B", file]


def bubblewrap(
    command: Sequence[str], files: Mapping[str, int], seccomp: int, limits: Limits, status: int | None = None
) -> list[str]:
    """The command inside a sandbox that holds only Python and these files: path -> file descriptor of its content.

    bwrap reads its filter from `seccomp`, and writes to `status` when the command has ended, and how. The command has
    neither. It has no network, no processes of others, no environment, no /proc, and nothing that it can
    write to: a disk in memory could be filled with millions of empty files, which no limit counts.
    """
    wrap = ["bwrap", "--unshare-user", "--unshare-pid", "--as-pid-1", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    wrap += ["--unshare-cgroup-try", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox"]
    wrap += ["--die-with-parent", "--new-session", "--clearenv", "--setenv", "LANG", "C.UTF-8", "--cap-drop", "ALL"]
    wrap += ["--seccomp", str(seccomp)]
    wrap += _system_folders()
    for device in ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"):
        wrap += ["--dev-bind", device, device]  # the machine's own, so the filter refuses chmod
    wrap += ["--dir", "/tmp", "--chdir", "/tmp"]
    for path, descriptor in files.items():
        wrap += ["--ro-bind-data", str(descriptor), path]
    if status is not None:
        wrap += ["--json-status-fd", str(status)]
    return [*wrap, "--remount-ro", "/", "--", *limited(command, limits)]


@cache
def _system_folders() -> tuple[str, ...]:
    """Bind the system's libraries and programs, the interpreter and its library; hide packages installed in it."""
    bind: list[str] = []
    for folder in ("/lib", "/lib32", "/lib64", "/bin", "/sbin"):
        if os.path.islink(folder):
            bind += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            bind += ["--ro-bind", folder, folder]
    prefix = sys.base_prefix
    own = [path for path in (f"{prefix}/lib", f"{prefix}/lib64", PYTHON) if not _is_within_usr(path)]
    for path in [*USR, "/etc/ld.so.cache", *own]:
        if os.path.exists(path):
            bind += ["--ro-bind", path, path]
    paths = sysconfig.get_paths(vars={"base": prefix, "platbase": prefix})
    usual = (p for place in ("lib", "local/lib") for p in Path("/usr", place).glob("python3*/*-packages"))
    for folder in sorted({paths["purelib"], paths["platlib"], *map(str, usual)}):
        if os.path.isdir(folder):
            bind += ["--size", "4096", "--tmpfs", folder, "--remount-ro", folder]
    return tuple(bind)


def _is_within_usr(path: str) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in USR)


@contextmanager
def contents(data: bytes) -> Iterator[int]:
    """A file descriptor of a file in memory with this content, at its beginning."""
    descriptor = os.memfd_create("justtinker")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


@cache
def trouble() -> str:
    """Why a program cannot be run in a sandbox on this machine, and the cure; '' if it can."""
    if not sys.platform.startswith("linux"):
        return "bubblewrap needs Linux: run in a Linux container or virtual machine"
    if shutil.which("bwrap") is None:
        return f"bwrap is not installed: {INSTALL}"
    if not program_filter():
        return f"there is no filter of system calls for this processor ({platform.machine()}), only for x86_64, aarch64"
    with contents(b"print(6 * 7)") as program, contents(program_filter()) as rules:
        command = bubblewrap(python_of("/program.py"), {"/program.py": program}, rules, Limits())
        try:
            tried = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, pass_fds=(program, rules)
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"bwrap does not work here ({error}): {MEND}"
    if tried.returncode or tried.stdout != b"42\n":
        said = tried.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {tried.returncode}"]
        return f"bwrap cannot make a sandbox here ({said[-1][:200]}): {MEND}"
    return ""
