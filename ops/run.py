"""`trivet run`: the whole stack, wired."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from ops import environment, ports, probes, stores
from ops.data import owned, secret
from ops.errors import WRONG, Refused, WrongSettings
from ops.keys import SERVICES
from ops.part import Part
from ops.ports import Ports
from ops.screen import Screen
from ops.settings import ROOT, StackSettings
from ops.spawn import Guard, end_group, guarding, spawn
from ops.stores import Stores
from ops.supervisor import Supervisor

CHILD_GRACE_SECONDS = "1"


async def run(settings: StackSettings, screen: Screen) -> None:
    """Run the stack until it is told to stop. Raises Refused when it cannot work."""
    began = time.monotonic()
    chosen = ports.choose(settings)
    folder = settings.data_folder
    with owned(folder) as lock:
        chosen_stores = stores.choose(settings, folder, chosen)
        for name, (taken, instead) in chosen.moved.items():
            screen.say(f"port {taken} is taken, {name} listens on {instead}")
        async with guarding(lock) as guard:
            tiers = [
                [_process("gateway", settings, chosen, chosen_stores, screen)],
                [_process(name, settings, chosen, chosen_stores, screen) for name in SERVICES],
                chosen_stores.parts,
            ]
            identity = next(part for part in tiers[1] if part.name == "identity")
            supervisor = Supervisor(tiers, guard, screen)

            async def migrated() -> None:
                await _migrate(guard, identity, screen)

            def announce() -> None:
                screen.summary(
                    f"ready on http://127.0.0.1:{chosen.http}",
                    [*_addresses(settings, chosen, chosen_stores, folder), ("started in", _since(began))],
                )

            await supervisor.run(announce, {"identity": migrated})
    screen.say("stopped")


def _process(name: str, settings: StackSettings, chosen: Ports, of: Stores, screen: Screen) -> Part:
    port = chosen.http if name == "gateway" else chosen.services[name]
    host = _reachable(settings.host)
    made = {
        **of.environment,
        **environment.keys(name, secret(settings), settings.programs, settings.former_secrets),
        "TRIVET_ENV": settings.environment.value,
        "TRIVET_HTTP_PORT": str(chosen.http),
        **({} if name == "gateway" else {f"TRIVET_{name.upper()}_PORT": str(port)}),
        "TRIVET_METRICS_PORT": str(chosen.metrics[name]),
        **{f"TRIVET_{service.upper()}_ADDRESS": f"{host}:{chosen.services[service]}" for service in SERVICES},
    }
    if "TRIVET_GRACE_SECONDS" not in os.environ:
        made["TRIVET_GRACE_SECONDS"] = CHILD_GRACE_SECONDS
    if screen.is_terminal and "TRIVET_LOG_FORMAT" not in os.environ:
        made["TRIVET_LOG_FORMAT"] = "text"
    own = environment.environment(name, made)
    own["PYTHONPATH"] = f"{ROOT / 'protos'}{os.pathsep}{ROOT}"
    probe = probes.is_ready if name == "gateway" else probes.serves
    return Part(name, [sys.executable, "-m", environment.module(name)], own, host, port, probe)


async def _migrate(guard: Guard, identity: Part, screen: Screen) -> None:
    """Bring the schema up to date, as soon as the database answers."""
    began = time.monotonic()
    command = [sys.executable, "-m", "ops", "db", "migrate", "--wait"]
    process = await spawn(guard, command, identity.environment, cwd=ROOT, log=None, piped=False)
    try:
        status = await process.wait()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()
        end_group(guard, process.pid)
    if status == WRONG:
        raise WrongSettings("the database refuses what it was told: the lines above say why")
    if status != 0:
        raise Refused("the migration failed: the lines above say why, `trivet db status` shows where it stands")
    screen.ready("migrations", "the database", time.monotonic() - began)


def _addresses(settings: StackSettings, chosen: Ports, of: Stores, folder: Path) -> list[tuple[str, str]]:
    host = _reachable(settings.host)
    rows = [("docs", f"http://127.0.0.1:{chosen.http}/docs")]
    rows += [(name, f"{host}:{chosen.services[name]}") for name in SERVICES]
    rows += [(f"{name} metrics", f"http://{host}:{port}/metrics") for name, port in chosen.metrics.items()]
    first = chosen.metrics["gateway"]
    others = range(1, settings.gateway_workers)
    rows += [(f"gateway-{place + 1} metrics", f"http://{host}:{first + place}/metrics") for place in others]
    rows += list(of.shown.items())
    return [*rows, ("data", str(folder))]


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104  # compared, not bound


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.1f} s"


def main() -> None:
    """Read the settings and run. Raises Refused."""
    settings = environment.read(StackSettings)
    asyncio.run(run(settings, Screen()))
