"""The process of a stack that makes the backups: `trivet run` starts it if TRIVET_BACKUP_EVERY_HOURS is set."""

import os
import sys
from collections.abc import Mapping

from ops import ROOT
from ops.backup.settings import BackupSettings
from ops.settings_reader import is_read
from ops.stack.environment import common
from ops.stack.processes.probes import accepts
from ops.stack.processes.process_spec import ProcessSpec

NAME = "backup"


def process_of(settings: BackupSettings, made: Mapping[str, str], host: str, port: int) -> list[ProcessSpec]:
    """Return the process; none if no schedule is set.

    `made` are the variables that the stack sets, and `port` is that of /metrics.
    """
    if not settings.every_hours:
        return []
    from services.identity.store.engine.settings import StoreSettings  # a stack without a schedule starts faster

    read = {
        name: value
        for name, value in os.environ.items()
        if is_read(BackupSettings, name) or is_read(StoreSettings, name)
    }
    paths = {"PYTHONPATH": f"{ROOT / 'protos'}{os.pathsep}{ROOT}"}
    own = {**common(os.environ), **read, **made, **paths, "TRIVET_METRICS_PORT": str(port)}
    command = [sys.executable, "-m", "ops", "backup", "schedule"]
    return [ProcessSpec(NAME, command, own, host, port, accepts)]
