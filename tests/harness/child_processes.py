"""Servers and programs that tests start: each ends with the process that started it, however that ends."""

import os
import pwd
import shutil
from collections.abc import Sequence


class NoSetprivError(Exception):
    """util-linux is not on this machine."""


def as_child(command: Sequence[str | os.PathLike[str]], *, user: str | None = None) -> list[str]:
    """Return the command that runs `command`, as `user` if one is given, until this process ends.

    The kernel sends SIGTERM when the thread that started the program ends: after Ctrl-C of a parallel run, whose
    workers are killed, no fixture is left to stop it. `Popen(preexec_fn=)` and `Popen(user=)` will not do: they fork
    this whole process where it otherwise would not (vfork), gRPC starts its threads again in the copy, and these end it
    by SIGSEGV before it has become the program.
    """
    setpriv = shutil.which("setpriv", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/bin", "/bin")))
    if setpriv is None:
        raise NoSetprivError("setpriv is not on this machine: install util-linux")
    options = ["--pdeathsig=TERM"]
    if user is not None:
        options += [f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"]
    return [setpriv, *options, *[os.fspath(part) for part in command]]
