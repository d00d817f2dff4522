"""Kernel calls that Python 3.11 lacks. Each runs in a child between fork and exec."""

import ctypes
import os
import signal
from pathlib import Path

NOBODY = 65534

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CLONE_NEWUSER = 0x10000000
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522

# Loaded here: between fork and exec is no place for an import.
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int, signum: signal.Signals) -> None:
    """
    Receive `signum` when the thread that forked this process ends, however it ends.

    A change of credentials clears it: call this last.
    """
    _check(_libc.prctl(_PR_SET_PDEATHSIG, int(signum)))
    if os.getppid() != parent:
        # The parent died before the kernel was asked to tell.
        os.kill(os.getpid(), signal.SIGKILL)


def enter_user_namespace() -> None:
    """
    Become `nobody` within, stay the same user without: files keep their owner.

    :raises OSError: where the kernel or a container forbids user namespaces.
    """
    uid, gid = os.geteuid(), os.getegid()
    _check(_libc.unshare(_CLONE_NEWUSER))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {gid} 1")


def become_nobody() -> None:
    """
    Give up root for `nobody`, but keep the right to pass through folders closed to it.

    A clone often lies below a folder that only root may enter, such as root's home.

    :raises OSError: if this is not root, or root without these capabilities.
    """
    _check(_libc.prctl(_PR_SET_KEEPCAPS, 1))
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # effective, permitted, inheritable; then the same for capabilities above 31.
    kept = (ctypes.c_uint32 * 6)(*[1 << _CAP_DAC_OVERRIDE] * 3, 0, 0, 0)
    _check(_libc.capset(header, kept))
    _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
