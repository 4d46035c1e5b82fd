"""Restricts a process to what a command on a practice cluster needs, and then runs a program in it.

`commands.py` starts it with the interpreter of a command; it imports nothing from `hol_wizard`. What can be restricted
without special privileges depends on the system:

- Linux with Landlock (kernel 5.13, on by default in most distributions): the kernel denies access to files other than
  Python's, the system's libraries and the command's own folder, also for child processes; and, from kernel 6.12,
  signals to other processes. A system call filter denies sockets on this machine (the keyring, the SSH agent, Docker),
  the kernel's keyring, and access to other processes. Kernel documentation: userspace-api/landlock, seccomp_filter.
- Elsewhere: an audit hook (PEP 578) denies Python code the same files, and starting programs. It prevents accidents and
  simple attempts, but not a determined attacker: PEP 578 itself says that it is not a sandbox.
"""

from __future__ import annotations

import ctypes
import os
import platform
import runpy
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SYSTEM = (
    *("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/sys/devices/system", "/sys/fs/cgroup"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime"),
    *("/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf"),
    *("/etc/nsswitch.conf", "/etc/gai.conf", "/etc/passwd", "/etc/group", "/etc/mime.types", "/etc/timezone"),
    # Not all of /proc, which contains the environments of the owner's other processes.
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg", "/proc/filesystems"),
    *("/proc/sys/vm", "/proc/sys/kernel/osrelease", "/proc/version"),
    *("/System/Library", "/Library/Frameworks", "/private/etc/ssl", "/run/systemd/resolve"),
)
"""What programs read from the system; it contains no secrets."""
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_PROGRAM_EVENTS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.startfile"})
_FILE_EVENTS = frozenset(
    {"open", "os.listdir", "os.scandir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "os.chmod", "os.link"}
    | {"os.symlink", "shutil.copyfile", "shutil.move", "shutil.rmtree", "glob.glob", "sqlite3.connect"}
)

# linux/landlock.h
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | 1 << 14 | 1 << 15
_HANDLED = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""File access rights, by the version of the kernel's interface that introduced them."""
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
_SCOPED = 3
"""Abstract sockets, and signals to other processes."""
_SCOPES = 6
"""The first version of the interface with these (kernel 6.12)."""

_ERRNO_EACCES, _ALLOW = 0x00050000 | 13, 0x7FFF0000
_SYSTEM_CALLS: dict[str, tuple[int, int, tuple[int, ...]]] = {
    # ptrace, process_vm_readv, process_vm_writev, add_key, request_key, keyctl, io_uring_setup, bpf, perf_event_open,
    # userfaultfd, mount, pidfd_getfd, unshare, setns, open_by_handle_at
    "x86_64": (0xC000003E, 41, (101, 310, 311, 248, 249, 250, 425, 321, 298, 323, 165, 438, 272, 308, 304)),
    "aarch64": (0xC00000B7, 198, (117, 270, 271, 217, 218, 219, 425, 280, 241, 282, 40, 438, 97, 268, 265)),
}
"""By machine: its number in audit.h, the number of `socket`, and the numbers of the denied calls."""


def python_folders() -> list[str]:
    """Return the folders of Python and its packages, without those that a developer's `.pth` files add."""
    roots = {os.path.realpath(each) for each in (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix)}
    return sorted(each for each in roots if each != Path(each).anchor)


def limit() -> None:
    """Limit the resources that the process may use."""
    if sys.platform == "win32":
        return
    import resource

    for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 1 << 30), (resource.RLIMIT_CPU, 120)):
        _, hard = resource.getrlimit(kind)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (value, value))


def landlock() -> int:
    """Return the kernel's version of the Landlock interface; 0 if it has none, or if the machine is unknown."""
    if not sys.platform.startswith("linux") or platform.machine() not in _SYSTEM_CALLS:
        return 0
    version: int = _libc().syscall(_long(_CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    return max(version, 0)


def confine(readable: Iterable[str], writable: Iterable[str]) -> bool:
    """Make the kernel deny everything else, also to child processes; return whether it does.

    Args:
        readable: Readable files and folders.
        writable: Folders in which everything is allowed.
    """
    version = landlock()
    if version < 1:
        return False
    libc = _libc()
    handled = _HANDLED[max(each for each in _HANDLED if each <= version)]
    attributes = struct.pack("=QQQ", handled, 0, _SCOPED if version >= _SCOPES else 0)
    size = 24 if version >= _SCOPES else 16 if version >= 4 else 8
    ruleset = _checked(libc.syscall(_long(_CREATE_RULESET), attributes, ctypes.c_size_t(size), ctypes.c_uint32(0)))
    reading = _EXECUTE | _READ_FILE | _READ_DIR
    rules = [(each, reading) for each in readable] + [(each, handled) for each in writable]
    rules += [(each, _READ_FILE | _WRITE_FILE) for each in DEVICES]
    for path, rights in rules:
        try:
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # this system has no such folder
        allowed = rights & handled if Path(path).is_dir() else rights & handled & _OF_A_FILE
        rule = struct.pack("=Qi", allowed, handle)
        _checked(libc.syscall(_long(_ADD_RULE), _long(ruleset), ctypes.c_int(1), rule, ctypes.c_uint32(0)))
        os.close(handle)
    _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, _long(1), _long(0), _long(0), _long(0)))
    _checked(libc.syscall(_long(_RESTRICT_SELF), _long(ruleset), ctypes.c_uint32(0)))
    os.close(ruleset)
    _filter(libc)
    return True


def _libc() -> Any:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc


def _long(value: int) -> ctypes.c_long:
    return ctypes.c_long(value)


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _filter(libc: Any) -> None:
    """Deny system calls that affect other processes by means other than files."""
    machine, socket, refused = _SYSTEM_CALLS[platform.machine()]
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06
    # Calls of other kinds of programs on this machine (32-bit, x32) have other numbers: all are denied.
    program = [(load, 0, 0, 4), (equal, 1, 0, machine), (give, 0, 0, _ERRNO_EACCES), (load, 0, 0, 0)]
    program += [(at_least, 0, 1, 0x40000000), (give, 0, 0, _ERRNO_EACCES)]
    for number in refused:
        program += [(equal, 0, 1, number), (give, 0, 0, _ERRNO_EACCES)]
    # `socket` with AF_UNIX as its first argument; `socketpair`, which has no outside peer, stays allowed.
    program += [(equal, 0, 3, socket), (load, 0, 0, 16), (equal, 0, 1, 1), (give, 0, 0, _ERRNO_EACCES)]
    program += [(give, 0, 0, _ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in program))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    _checked(libc.prctl(_PR_SET_SECCOMP, _long(_FILTER), head, _long(0), _long(0)))


def guard(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Make Python deny everything else to its own code, if the kernel cannot."""
    roots = tuple(os.path.normcase(os.path.realpath(each)) for each in (*readable, *writable, *DEVICES, os.devnull))

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _PROGRAM_EVENTS:
            raise PermissionError(f"A command on a practice cluster starts no program: {event}")
        if event not in _FILE_EVENTS:
            return
        for each in arguments[: 2 if event in {"os.rename", "os.link", "shutil.move", "shutil.copyfile"} else 1]:
            if not isinstance(each, str | bytes | os.PathLike):
                continue  # a file that is open already
            path = os.path.normcase(os.path.realpath(os.fsdecode(each)))
            if not any(path == root or path.startswith(root.rstrip(os.sep) + os.sep) for root in roots):
                raise PermissionError(13, "A command on a practice cluster may not use this file", os.fsdecode(each))

    sys.addaudithook(hook)


def main(arguments: list[str]) -> None:
    """Confine this process and run the program in it.

    Args:
        arguments: The program; its own folder; further readable files.
    """
    program, folder, *more = arguments
    system = [os.environ["SYSTEMROOT"]] if "SYSTEMROOT" in os.environ else []
    readable = [*python_folders(), *SYSTEM, *system, program, *more]
    limit()
    if not confine(readable, [folder]):
        guard(readable, [folder])
    sys.argv = [program]
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
