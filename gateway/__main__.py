"""Runs the gateway: one worker, or a supervisor of several."""

from gateway.settings import GatewaySettings
from known_variables import KNOWN_VARIABLES
from runtime.settings import read

if __name__ == "__main__":
    settings = read(GatewaySettings, KNOWN_VARIABLES)
    # Imported here: a supervisor does not need the modules of a worker.
    if settings.workers == 1:
        from gateway.server import worker

        worker.run(settings)
    else:
        from gateway.server import supervisor

        supervisor.run(settings)
