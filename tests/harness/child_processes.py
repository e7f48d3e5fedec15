"""Servers and programs that tests start: each ends with the process that started it, however that ends."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_thread = ThreadPoolExecutor(1, "starter of servers")


class NoSetprivError(Exception):
    """util-linux is not on this machine."""


def start(
    command: Sequence[str | os.PathLike[str]], *, user: str | None = None, **options: Any
) -> subprocess.Popen[Any]:
    """Start a program that runs until it is stopped or this process ends; `options` are those of `Popen`.

    All programs start on one thread, which lives as long as this process: the kernel ends a program with the thread
    that started it, and a test's own thread can end before its server.
    """
    return _thread.submit(lambda: subprocess.Popen(as_child(command, user=user), **options)).result()


def as_child(command: Sequence[str | os.PathLike[str]], *, user: str | None = None) -> list[str]:
    """Return the command that runs `command`, as `user` if one is given, until the thread that starts it ends.

    The kernel sends SIGTERM then: after Ctrl-C of a parallel run, whose workers are killed, no fixture is left to stop
    the program. `Popen(preexec_fn=)` and `Popen(user=)` will not do: they fork this whole process where it otherwise
    would not (vfork), gRPC starts its threads again in the copy, and these end it by SIGSEGV before it has become the
    program. Without setpriv, as on macOS, the program starts plainly and outlives a worker that is killed.

    Raises NoSetprivError if the program must run as another user and setpriv is missing.
    """
    plain = [os.fspath(part) for part in command]
    setpriv = find_setpriv()
    if setpriv is None and user is None:
        return plain
    if setpriv is None:
        raise NoSetprivError(f"setpriv, which starts servers as the user {user}, is missing: install util-linux")
    options = ["--pdeathsig=TERM"]
    if user is not None:
        options += [f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"]
    return [setpriv, *options, *plain]


def find_setpriv() -> str | None:
    return shutil.which("setpriv", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/bin", "/bin")))
