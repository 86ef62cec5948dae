"""A seccomp filter for sandboxed programs: no new processes, no new namespaces, no looking into other processes.

Resource limits cannot stop a fork bomb: the kernel does not apply RLIMIT_NPROC to root. So a program gets no processes
at all, only threads. Nor does it get sockets (those of virtual machines, AF_VSOCK, know no network namespaces), or
memory that no limit counts: shared segments, queues, files in memory. Nor may it change the mode of /dev/null, which is
the machine's own, or let others go first, to be taken for a program that a busy machine has not run. The filter is
classic BPF, as ``bwrap --seccomp`` takes it (seccomp(2), "struct sock_filter").
"""

from __future__ import annotations

import errno
import platform
import struct

CLONE_THREAD = 0x10000
CLONE3 = 435
_LOAD, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_X32 = 0x40000000

MACHINES = {"x86_64": (0xC000003E, 56), "aarch64": (0xC00000B7, 220)}
"""The architecture's number for audit, and that of the call `clone`."""
REFUSED: dict[str, tuple[int | None, int | None]] = {
    # number on x86_64, on aarch64
    "fork": (57, None), "vfork": (58, None),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "process_madvise": (440, 440), "perf_event_open": (298, 241),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424),
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "mount_setattr": (442, 442),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "bpf": (321, 280),
    "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "socket": (41, 198),
    "shmget": (29, 194), "shmat": (30, 196), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "lchown": (94, None), "fchown": (93, 55), "fchownat": (260, 54),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "setpriority": (141, 140), "sched_setparam": (142, 118), "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122), "sched_setattr": (314, 274),
}  # fmt: skip


def program_filter() -> bytes:
    """The filter for this machine's processor; empty if it is none of `MACHINES`."""
    if platform.machine() not in MACHINES:
        return b""
    architecture, clone = MACHINES[platform.machine()]
    column = list(MACHINES).index(platform.machine())
    lines = [
        _line(_LOAD, 4),
        _line(_JUMP_EQUAL, architecture, 1, 0),
        _line(_RETURN, _KILL),
        _line(_LOAD, 0),
        _line(_JUMP_GREATER, _X32, 0, 1),  # the x32 way to make any call
        _line(_RETURN, _ERRNO | errno.EPERM),
    ]
    for numbers in REFUSED.values():
        if (number := numbers[column]) is not None:
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
