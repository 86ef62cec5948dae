"""The command that runs a Python program in bubblewrap, and why it may not work on this machine."""

from __future__ import annotations

import os
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
    """What it may print, and the most that it may write to its disk."""


def limited(command: Sequence[str], limits: Limits) -> list[str]:
    """The command, run by a shell that first sets the limits of its process; they cannot be raised again."""
    sets = [
        "set -e",
        f"ulimit -t {limits.cpu}",
        f"ulimit -v {limits.memory_mb << 10}",
        f"ulimit -f {max(1, limits.output_kb * 2)}",  # blocks of 512 bytes
        "ulimit -c 0",
        "ulimit -n 64",
    ]
    return ["/bin/sh", "-c", f'{"; ".join(sets)}; exec "$@"', "sh", *command]


def python_of(file: str) -> list[str]:
    """The command that runs a file with nothing but the standard library."""
    return [PYTHON, "-I", "-S", "-B", file]


def bubblewrap(
    command: Sequence[str], files: Mapping[str, int], seccomp: int | None, limits: Limits, status: int | None = None
) -> list[str]:
    """The command inside a sandbox that holds only Python and these files: path -> file descriptor of its content.

    bwrap reads its filter from `seccomp`, and writes to `status` when the command has ended, and how. The command has
    neither. It has no network, no processes of others, no environment, no /proc, and a small disk of its own at /tmp.
    """
    wrap = ["bwrap", "--unshare-user", "--unshare-pid", "--as-pid-1", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    wrap += ["--unshare-cgroup-try", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox"]
    wrap += ["--die-with-parent", "--clearenv", "--setenv", "LANG", "C.UTF-8", "--cap-drop", "ALL"]
    wrap += ["--ro-bind", "/usr", "/usr"]
    for folder in ("/lib", "/lib32", "/lib64", "/bin", "/sbin"):
        if os.path.islink(folder):
            wrap += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            wrap += ["--ro-bind", folder, folder]
    wrap += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache", *_python_folders()]
    for device in ("null", "zero", "random", "urandom"):
        wrap += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    wrap += ["--size", str(max(4096, limits.output_kb << 10)), "--tmpfs", "/tmp", "--chdir", "/tmp"]
    for path, descriptor in files.items():
        wrap += ["--ro-bind-data", str(descriptor), path]
    if seccomp is not None:
        wrap += ["--seccomp", str(seccomp)]
    if status is not None:
        wrap += ["--json-status-fd", str(status)]
    return [*wrap, "--remount-ro", "/", "--", *limited(command, limits)]


@cache
def _python_folders() -> tuple[str, ...]:
    """Bind the interpreter's own folder, and hide the packages that are installed in it."""
    prefix = sys.base_prefix
    bind = [] if Path(prefix).is_relative_to("/usr") else ["--ro-bind", prefix, prefix]
    paths = sysconfig.get_paths(vars={"base": prefix, "platbase": prefix})
    usual = (p for place in ("lib", "local/lib") for p in Path("/usr", place).glob("python3*/*-packages"))
    hidden = {paths["purelib"], paths["platlib"], *map(str, usual)}
    for folder in sorted(hidden):
        if os.path.isdir(folder):
            bind += ["--size", "4096", "--tmpfs", folder]
    return tuple(bind)


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
    with contents(b"print(6 * 7)") as program, contents(program_filter()) as rules:
        command = bubblewrap(python_of("/program.py"), {"/program.py": program}, rules or None, Limits())
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
