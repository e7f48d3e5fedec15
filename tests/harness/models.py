"""How far hypothesis walks through a model: alike on every machine and at every run."""

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def explore(machine: type[RuleBasedStateMachine], *, examples: int, steps: int, **attributes: object) -> None:
    """Run so many walks of so many steps. Raises what the machine's own checks raise."""
    limits = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(type("Explored", (machine,), attributes), settings=limits)
