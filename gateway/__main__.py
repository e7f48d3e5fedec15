"""The gateway as a process: one worker, or a supervisor of several."""

from gateway.settings import GatewaySettings
from runtime.settings import read

if __name__ == "__main__":
    settings = read(GatewaySettings)
    # Each is imported where it runs: a supervisor needs nothing of what answers requests.
    if settings.workers == 1:
        from gateway.server import worker

        worker.run(settings)
    else:
        from gateway.server import supervisor

        supervisor.run(settings)
