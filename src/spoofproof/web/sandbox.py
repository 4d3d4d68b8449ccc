"""Closes the process that decodes strangers' bytes off from everything it does not need. Linux, no privilege needed.

``limits``    address space, file size, processor time, no core files (setrlimit(2))
``files``     reads only what Python and the weights need, writes only below one folder (Landlock, landlock(7))
``calls``     no socket, no new process, no look into other processes (seccomp(2), a classic BPF program)

Must be entered before any thread is started: Landlock holds for the thread that asks and those it starts later.
What the kernel does not offer is missing from the answer of ``enter``, and so from ``/health``: never silently.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

# include/uapi/linux/prctl.h, seccomp.h, landlock.h
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _SIGKILL = 1, 38, 9
_SET_MODE_FILTER, _TSYNC = 1, 1
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FILE_RIGHTS = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14  # of a single file: execute, write, read, truncate
_RIGHTS_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
_TCP_BOTH, _SCOPE_BOTH = 0b11, 0b11

_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
# socket connect bind listen execve execveat ptrace process_vm_readv/writev mount unshare setns bpf keyctl io_uring_setup
_REFUSED = {
    "x86_64": (41, 42, 49, 50, 57, 58, 59, 322, 101, 310, 311, 165, 272, 308, 321, 250, 425),
    "aarch64": (198, 203, 200, 201, 221, 281, 117, 270, 271, 40, 97, 268, 280, 219, 425),
}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3, _CLONE_THREAD = 435, 0x10000
_ALLOW, _EPERM, _ENOSYS = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 38
_LOAD, _EQUAL, _AT_LEAST, _SET_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_X32 = 0x40000000  # the second numbering of x86_64, which would walk around the list


def enter(folder: Path, *, memory: int, file_bytes: int, readable: Iterable[Path] = ()) -> tuple[str, ...]:
    """Close this process off for good. Returns which of "limits", "files", "calls" hold.

    folder: the only one it may write in, also made the one for temporary files. memory, file_bytes: in bytes.
    readable: what it may read beside the interpreter, its packages and the system's libraries.
    """
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = str(folder)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    holds = ["limits"]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if _confine_files(libc, folder, [*_needed(), *readable]):
            holds.append("files")
        if _refuse_calls(libc):
            holds.append("calls")
    return tuple(holds)


def allow_cpu(seconds: float) -> None:
    """Let this process use ``seconds`` more of processor time; the kernel kills it beyond that (SIGXCPU)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(
        resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard)
    )


def _needed() -> list[Path]:
    system = [f"{os.sep}{name}" for name in ("usr", "lib", "lib64", "etc", "proc", "sys", "dev/urandom")]
    return [Path(p) for p in (*system, sys.prefix, sys.base_prefix, *sys.path) if p]


def _confine_files(libc: ctypes.CDLL, folder: Path, readable: Iterable[Path]) -> bool:
    abi = libc.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if abi < 1:
        return False
    rights = _RIGHTS_BY_ABI[min(abi, 3)]
    fields = [rights] + [_TCP_BOTH] * (abi >= 4) + [_SCOPE_BOTH] * (abi >= 6)
    wanted = struct.pack(f"{len(fields)}Q", *fields)
    rules = libc.syscall(_LANDLOCK_CREATE, wanted, len(wanted), 0)
    if rules < 0:
        return False
    try:
        allowed = [(path, _READ_FILE | _READ_DIR) for path in readable]
        for path, right in [*allowed, (folder, rights), (Path(os.devnull), _READ_FILE | 1 << 1)]:
            if path.exists():
                _allow_below(libc, rules, path, right & rights)
        return bool(libc.syscall(_LANDLOCK_RESTRICT, rules, 0) == 0)
    finally:
        os.close(rules)


def _allow_below(libc: ctypes.CDLL, rules: int, path: Path, right: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        mine = right if path.is_dir() else right & _FILE_RIGHTS
        if libc.syscall(_LANDLOCK_ADD, rules, 1, struct.pack("=Qi", mine, place), 0) != 0:
            raise OSError(ctypes.get_errno(), f"Landlock does not take {path}")
    finally:
        os.close(place)


def _refuse_calls(libc: ctypes.CDLL) -> bool:
    machine = platform.machine()
    if machine not in _ARCH:
        return False
    steps = _program(machine)
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(steps), ctypes.addressof(buffer))
    return bool(libc.syscall(_SECCOMP[machine], _SET_MODE_FILTER, _TSYNC, program) == 0)


def _program(machine: str) -> list[tuple[int, int, int, int]]:
    """Classic BPF over struct seccomp_data (nr, arch, instruction pointer, six arguments)."""
    clone, arguments = _CLONE[machine], 16
    refused = _REFUSED[machine]
    steps = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, _ARCH[machine]), (_RETURN, 0, 0, _EPERM), (_LOAD, 0, 0, 0)]
    # A thread may be started, a process may not; clone3 hides its flags, so libc is told to use clone.
    steps += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _ENOSYS)]
    steps += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _EPERM)]
    steps += [
        (_EQUAL, 0, 3, clone),
        (_LOAD, 0, 0, arguments),
        (_SET_BITS, 0, len(refused) + 2, _CLONE_THREAD),
    ]
    steps += [(_RETURN, 0, 0, _ALLOW)]
    for number in refused:
        rest = len(refused) - refused.index(number)
        steps.append((_EQUAL, rest, 0, number))
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _EPERM)]
    return steps
