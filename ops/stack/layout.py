"""The layout of a stack: its processes and addresses, made from settings, ports and stores."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from ops import ROOT
from ops.backup.settings import BackupSettings
from ops.backup.stack_process import process_of
from ops.keys.pair_keys import SERVICES
from ops.settings import StackSettings
from ops.stack import environment
from ops.stack.data_folder import former_secrets, secret
from ops.stack.ports import Ports
from ops.stack.processes import probes
from ops.stack.processes.process_spec import ProcessSpec
from ops.stack.running import Running, new_stack_id
from ops.stack.stores import Stores
from runtime.listening import authority
from runtime.settings import local_url

CHILD_GRACE_SECONDS = "1"


@dataclass(frozen=True)
class Layout:
    """With `on_terminal`, processes log text instead of JSON, unless TRIVET_LOG_FORMAT is set."""

    settings: StackSettings
    ports: Ports
    stores: Stores
    on_terminal: bool
    backup: BackupSettings
    stack_id: str = field(default_factory=new_stack_id)

    def tiers(self) -> list[list[ProcessSpec]]:
        """Return the processes in the order of shutdown."""
        first = [self._process("gateway"), *self._backup()]
        return [first, [self._process(name) for name in SERVICES], self.stores.processes]

    @property
    def running(self) -> Running:
        services = {name: authority(self._host, port) for name, port in self.ports.services.items()}
        metrics = {name: authority(self._host, port) for name, port in self._metrics_ports.items()}
        return Running(self.stack_id, self._url, services, self.stores.environment, metrics)

    def addresses(self, folder: Path) -> list[tuple[str, str]]:
        """Return labels and addresses for the operator. `folder` is the data folder."""
        return [
            ("docs", f"{self._url}/docs"),
            *self.running.services.items(),
            *((f"{name} metrics", f"http://{where}/metrics") for name, where in self.running.metrics.items()),
            *self.stores.shown.items(),
            ("data", str(folder)),
        ]

    @property
    def _metrics_ports(self) -> dict[str, int]:
        """The port of /metrics of each process, of each further worker of the gateway, and of scheduled backups."""
        backup = {"backup": self.ports.backup_metrics} if self.backup.every_hours else {}
        first = self.ports.metrics["gateway"]
        further = {f"gateway-{worker + 1}": first + worker for worker in range(1, self.settings.gateway_workers)}
        return self.ports.metrics | backup | further

    def _process(self, name: str) -> ProcessSpec:
        own = environment.environment(name, self._made(name))
        own["PYTHONPATH"] = f"{ROOT / 'protos'}{os.pathsep}{ROOT}"
        command = [sys.executable, "-m", environment.module(name)]
        if name == "gateway":
            return ProcessSpec(name, command, own, self._host, self.ports.http, probes.is_ready)
        return ProcessSpec(name, command, own, self._host, self.ports.services[name], probes.serves)

    def _backup(self) -> list[ProcessSpec]:
        """Return the process that makes the backups, if there is a schedule."""
        settings = self.settings
        made = {
            **self.stores.environment,
            "TRIVET_ENV": settings.environment.value,
            "TRIVET_SECRET": secret(settings),
            "TRIVET_DATA": str(settings.data_folder),
        }
        return process_of(self.backup, made, self._host, self.ports.backup_metrics)

    def _made(self, name: str) -> dict[str, str]:
        """Return the variables that the stack sets for a process."""
        settings = self.settings
        made = {
            **self.stores.environment,
            **environment.keys(name, secret(settings), settings.programs, former_secrets(settings)),
            "TRIVET_ENV": settings.environment.value,
            "TRIVET_HTTP_PORT": str(self.ports.http),
            "TRIVET_METRICS_PORT": str(self.ports.metrics[name]),
            "TRIVET_STACK_ID": self.stack_id,
            **{f"TRIVET_{service.upper()}_ADDRESS": address for service, address in self.running.services.items()},
        }
        if name in SERVICES:
            made[f"TRIVET_{name.upper()}_PORT"] = str(self.ports.services[name])
        if "TRIVET_GRACE_SECONDS" not in os.environ:
            made["TRIVET_GRACE_SECONDS"] = CHILD_GRACE_SECONDS
        if self.on_terminal and "TRIVET_LOG_FORMAT" not in os.environ:
            made["TRIVET_LOG_FORMAT"] = "text"
        return made

    @property
    def _host(self) -> str:
        """The host to connect to. A wildcard address is only for listening."""
        host = self.settings.host
        return "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104  # compared, not bound

    @property
    def _url(self) -> str:
        return local_url(self.settings.host, self.ports.http)
