"""A seccomp filter for sandboxed programs: no new processes, no new namespaces, no looking into other processes.

Resource limits cannot stop a fork bomb: the kernel does not apply RLIMIT_NPROC to root. So a program gets no processes
at all, only threads. The filter is classic BPF, as ``bwrap --seccomp`` takes it (seccomp(2), "struct sock_filter").
"""

from __future__ import annotations

import errno
import platform
import struct

CLONE_THREAD = 0x10000
_LOAD, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_X32 = 0x40000000

MACHINES: dict[str, tuple[int, int, tuple[int, ...]]] = {
    # audit architecture, clone, and what is refused: fork, vfork, ptrace, process_vm_readv and _writev, unshare, setns,
    # mount, keyctl, add_key, request_key, bpf, perf_event_open, userfaultfd, io_uring_setup
    "x86_64": (0xC000003E, 56, (57, 58, 101, 310, 311, 272, 308, 165, 250, 248, 249, 321, 298, 323, 425)),
    "aarch64": (0xC00000B7, 220, (117, 270, 271, 97, 268, 40, 219, 217, 218, 280, 241, 282, 425)),
}
CLONE3 = 435


def program_filter() -> bytes:
    """The filter for this machine's processor; empty if it is none of `MACHINES`."""
    if platform.machine() not in MACHINES:
        return b""
    architecture, clone, refused = MACHINES[platform.machine()]
    lines = [
        _line(_LOAD, 4),
        _line(_JUMP_EQUAL, architecture, 1, 0),
        _line(_RETURN, _KILL),
        _line(_LOAD, 0),
        _line(_JUMP_GREATER, _X32, 0, 1),  # the x32 way to make any call
        _line(_RETURN, _ERRNO | errno.EPERM),
    ]
    for number in refused:
        lines += [_line(_JUMP_EQUAL, number, 0, 1), _line(_RETURN, _ERRNO | errno.EPERM)]
    return b"".join(
        [
            *lines,
            _line(_JUMP_EQUAL, CLONE3, 0, 1),
            _line(_RETURN, _ERRNO | errno.ENOSYS),  # then the C library uses clone, whose flags can be seen here
            _line(_JUMP_EQUAL, clone, 0, 3),
            _line(_LOAD, 16),
            _line(_JUMP_SET, CLONE_THREAD, 1, 0),
            _line(_RETURN, _ERRNO | errno.EPERM),
            _line(_RETURN, _ALLOW),
        ]
    )


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)
