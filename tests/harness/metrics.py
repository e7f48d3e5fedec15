"""What a process tells on /metrics."""

import httpx
from prometheus_client.parser import text_string_to_metric_families


async def metrics_of(port: int, host: str = "127.0.0.1") -> str:
    """Return all that the process whose metrics are on `port` tells."""
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://{host}:{port}/metrics")).text


async def metric(port: int, name: str, host: str = "127.0.0.1", **labels: str) -> float:
    """Return the sum of a metric's samples that bear these labels; 0 if there is none."""
    samples = (
        sample for family in text_string_to_metric_families(await metrics_of(port, host)) for sample in family.samples
    )
    return sum(each.value for each in samples if each.name == name and labels.items() <= each.labels.items())
