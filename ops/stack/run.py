"""`trivet run`: plans the stack. Then the same process becomes `ops/stack/__main__.py`, which runs the plan."""

import os
import sys
import time
from pathlib import Path

from ops import ROOT
from ops.keys.pair_keys import SERVICES
from ops.settings import StackSettings
from ops.stack import environment, ports, stack_plan, stores
from ops.stack.console import StackConsole
from ops.stack.data_folder import owned, secret
from ops.stack.ports import Ports
from ops.stack.processes import probes
from ops.stack.processes.process_spec import ProcessSpec
from ops.stack.running import Running, new_stack_id
from ops.stack.stack_plan import StackPlan
from ops.stack.stores import Stores
from runtime.listening import authority
from runtime.settings import local_url

CHILD_GRACE_SECONDS = "1"


def main() -> None:
    """Read the settings, make the plan, and become the program that runs it. Raises CommandFailed."""
    settings = environment.read(StackSettings)
    began = time.monotonic()
    console = StackConsole()
    chosen = ports.choose(settings)
    folder = settings.data_folder
    with owned(folder) as lock:
        chosen_stores = stores.choose(settings, folder, chosen)
        running = _running(settings, chosen)
        for name, (taken, instead) in chosen.moved.items():
            console.say(f"port {taken} is taken, {name} listens on {instead}")
        tiers = [
            [_process("gateway", settings, chosen, chosen_stores, console, running)],
            [_process(name, settings, chosen, chosen_stores, console, running) for name in SERVICES],
            chosen_stores.processes,
        ]
        addresses = _addresses(settings, chosen, chosen_stores, folder)
        stack_plan.follow(StackPlan(tiers, running, folder, addresses, lock, began))


def _running(settings: StackSettings, chosen: Ports) -> Running:
    host = _reachable(settings.host)
    services = {name: authority(host, port) for name, port in chosen.services.items()}
    return Running(new_stack_id(), local_url(settings.host, chosen.http), services)


def _process(
    name: str, settings: StackSettings, chosen: Ports, of: Stores, console: StackConsole, running: Running
) -> ProcessSpec:
    port = chosen.http if name == "gateway" else chosen.services[name]
    host = _reachable(settings.host)
    made = {
        **of.environment,
        **environment.keys(name, secret(settings), settings.programs, settings.former_secrets),
        "TRIVET_ENV": settings.environment.value,
        "TRIVET_HTTP_PORT": str(chosen.http),
        **({} if name == "gateway" else {f"TRIVET_{name.upper()}_PORT": str(port)}),
        "TRIVET_METRICS_PORT": str(chosen.metrics[name]),
        "TRIVET_STACK_ID": running.stack_id,
        **{f"TRIVET_{service.upper()}_ADDRESS": address for service, address in running.services.items()},
    }
    if "TRIVET_GRACE_SECONDS" not in os.environ:
        made["TRIVET_GRACE_SECONDS"] = CHILD_GRACE_SECONDS
    if console.is_terminal and "TRIVET_LOG_FORMAT" not in os.environ:
        made["TRIVET_LOG_FORMAT"] = "text"
    own = environment.environment(name, made)
    own["PYTHONPATH"] = f"{ROOT / 'protos'}{os.pathsep}{ROOT}"
    probe = probes.is_ready if name == "gateway" else probes.serves
    return ProcessSpec(name, [sys.executable, "-m", environment.module(name)], own, host, port, probe)


def _addresses(settings: StackSettings, chosen: Ports, of: Stores, folder: Path) -> list[tuple[str, str]]:
    host = _reachable(settings.host)
    rows = [("docs", f"{local_url(settings.host, chosen.http)}/docs")]
    rows += [(name, authority(host, chosen.services[name])) for name in SERVICES]
    rows += [(f"{name} metrics", f"http://{authority(host, port)}/metrics") for name, port in chosen.metrics.items()]
    first = chosen.metrics["gateway"]
    others = range(1, settings.gateway_workers)
    rows += [(f"gateway-{place + 1} metrics", f"http://{authority(host, first + place)}/metrics") for place in others]
    rows += list(of.shown.items())
    return [*rows, ("data", str(folder))]


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104  # compared, not bound
