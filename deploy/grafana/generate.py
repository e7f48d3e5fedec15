"""Writes the Grafana dashboards: an overview and one for each process. `make dashboards` runs it."""

import json
import sys
from pathlib import Path
from typing import Any

from deploy.grafana.panels.cache import CACHE
from deploy.grafana.panels.gateway import GATEWAY
from deploy.grafana.panels.identity import IDENTITY
from deploy.grafana.panels.notifications import NOTIFICATIONS
from deploy.grafana.panels.overview import OVERVIEW
from deploy.grafana.panels.panel import Dashboard, Panel

FOLDER = Path(__file__).parent / "dashboards"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT, COLUMNS = 8, 7, 3
SCHEMA_VERSION = 39


DASHBOARDS = (OVERVIEW, GATEWAY, IDENTITY, NOTIFICATIONS, CACHE)


def as_json(panel: Panel, place: int) -> dict[str, Any]:
    """Return Grafana's form of a panel. Panels fill rows of three."""
    row, column = divmod(place, COLUMNS)
    return {
        "id": place + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": [
            {"refId": chr(ord("A") + number), "datasource": DATASOURCE, "expr": query, "legendFormat": legend}
            for number, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def rendered(dashboard: Dashboard) -> str:
    """Return the file of a dashboard."""
    datasource = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    content = {
        "uid": dashboard.id,
        "title": dashboard.title,
        "tags": ["trivet"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [datasource]},
        "links": [{"type": "dashboards", "tags": ["trivet"], "title": "Trivet", "asDropdown": True, "keepTime": True}],
        "panels": [as_json(panel, place) for place, panel in enumerate(dashboard.panels)],
    }
    return json.dumps(content, indent=1) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for dashboard in DASHBOARDS:
        (FOLDER / f"{dashboard.id}.json").write_text(rendered(dashboard))
    print(f"trivet: wrote {len(DASHBOARDS)} dashboards to {FOLDER}", file=sys.stderr)


if __name__ == "__main__":
    main()
