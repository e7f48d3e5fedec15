"""`trivet run`: plans the stack. Then the same process becomes `ops/stack/__main__.py`, which runs the plan."""

import time

from ops.backup.settings import BackupSettings
from ops.settings import StackSettings
from ops.settings_reader import read_settings
from ops.stack import environment, ports, stack_plan, stores
from ops.stack.console import StackConsole
from ops.stack.data_folder import locked
from ops.stack.layout import Layout
from ops.stack.stack_plan import StackPlan


def main() -> None:
    """Read the settings, make the plan, and become the program that runs it. Raises CommandFailed."""
    settings = environment.read(StackSettings)
    backup = read_settings(BackupSettings)
    if backup.every_hours:
        from ops.backup.destinations.addresses import destination_at

        destination_at(backup.to)
    began = time.monotonic()
    console = StackConsole()
    chosen = ports.choose(settings)
    folder = settings.data_folder
    with locked(folder) as lock:
        layout = Layout(settings, chosen, stores.choose(settings, folder, chosen), console.is_terminal, backup)
        for name, (taken, instead) in chosen.moved.items():
            console.say(f"port {taken} is taken, {name} listens on {instead}")
        plan = StackPlan(
            tiers=layout.tiers(),
            running=layout.running,
            folder=folder,
            addresses=layout.addresses(folder),
            lock=lock,
            began=began,
        )
        stack_plan.follow(plan)
