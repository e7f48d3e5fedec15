"""`python -m ops.stack`: runs the stack. `trivet run` becomes this program by exec once its plan is complete."""

import asyncio
import signal
import sys
import time

from ops import ROOT
from ops.errors import WRONG, CommandFailed, WrongSettings
from ops.exit_status import status_of
from ops.stack.console import StackConsole
from ops.stack.processes.process_spec import ProcessSpec
from ops.stack.processes.spawn import Guard, end_group, guarding, spawn
from ops.stack.processes.supervisor import Supervisor
from ops.stack.running import announced
from ops.stack.stack_plan import StackPlan, handed_over


async def run(plan: StackPlan, console: StackConsole) -> None:
    """Run the stack until SIGTERM or SIGINT. Raises CommandFailed if it cannot work."""
    with announced(plan.folder, plan.running):
        await _run(plan, console)
    console.say("stopped")


async def _run(plan: StackPlan, console: StackConsole) -> None:
    async with guarding(plan.lock) as guard:
        supervisor = Supervisor(plan.tiers, guard, console)

        async def migrated() -> None:
            await _migrate(guard, plan.spec("identity"), console)

        def announce() -> None:
            console.summary(f"ready on {plan.running.url}", [*plan.addresses, ("started in", _since(plan.began))])

        await supervisor.run(announce, {"identity": migrated})


async def _migrate(guard: Guard, identity: ProcessSpec, console: StackConsole) -> None:
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
        raise WrongSettings("the database settings are wrong: see the lines above")
    if status != 0:
        raise CommandFailed(
            "the migration failed: see the lines above; `trivet db status` prints the current migration"
        )
    console.ready("migrations", "the database", time.monotonic() - began)


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.1f} s"


if __name__ == "__main__":
    sys.exit(status_of(lambda: asyncio.run(run(handed_over(int(sys.argv[1])), StackConsole()))))
