"""Wrong and misspelled settings, and those without which a store was not checked."""

from collections.abc import Mapping
from dataclasses import replace

from ops.doctor.finding import Finding, error, note, warning
from ops.errors import WrongSettings
from ops.settings import STORE_VARIABLES, OpsSettings
from ops.settings_reader import mistakes, read_settings
from ops.stack.endpoints import Endpoints, EndpointSettings, endpoints
from ops.stack.environment import problems
from ops.stack.stores import is_given

CHECK = "settings"
PLACEHOLDER = "a-placeholder-0123456789-abcdefghij"


async def wrong(environ: Mapping[str, str]) -> list[Finding]:
    """Check the settings of every process, as `trivet run` does before it starts them."""
    found, misspelled = problems(OpsSettings, environ)
    by_name: dict[str, str] = {}
    for line in [*mistakes(EndpointSettings, environ), *found]:
        by_name.setdefault(line.partition(":")[0], line)
    is_production = environ.get("TRIVET_ENV") == "production"
    grade = error if is_production else warning
    remedy = "correct or unset it" + ("; in production no process starts with it" if is_production else "")
    return [
        *(error(CHECK, line, "correct it; docs/configuration.md has every setting") for line in by_name.values()),
        *(grade(CHECK, line, remedy) for line in misspelled),
    ]


def readable(environ: Mapping[str, str]) -> tuple[EndpointSettings, dict[str, str]]:
    """Read the settings without those that are wrong; return the rest of the environment too."""
    lines = [*mistakes(EndpointSettings, environ), *problems(OpsSettings, environ)[0]]
    found = {line.partition(":")[0] for line in lines}
    rest = {name: value for name, value in environ.items() if name not in found}
    if "TRIVET_SECRET" in found:
        rest["TRIVET_SECRET"] = PLACEHOLDER
    return read_settings(EndpointSettings, rest), rest


def addresses(chosen: EndpointSettings, rest: Mapping[str, str], environ: Mapping[str, str]) -> Endpoints:
    """Return where everything is. A store whose settings are wrong has no address: no other store stands for it."""
    try:
        known = endpoints(chosen, rest)
    except WrongSettings:  # a rule about several settings of the database
        rest = {name: value for name, value in rest.items() if name not in STORE_VARIABLES["sql"]}
        known = endpoints(chosen, rest)
    usable = {kind: is_given(kind, rest) or not is_given(kind, environ) for kind in STORE_VARIABLES}
    return replace(
        known,
        sql=known.sql if usable["sql"] else "",
        mongodb=known.mongodb if usable["mongodb"] else "",
        redis=known.redis if usable["redis"] else "",
    )


async def unknown_addresses(known: Endpoints, *, is_production: bool) -> list[Finding]:
    """Name what could not be checked, because nothing says where it is."""
    if not is_production:
        if known.is_running or known.services:
            return []
        return [note(CHECK, "no stack runs on this data folder, so no process was checked", "start it: `trivet run`")]
    missing = {"DATABASE_URL": known.sql, "MONGODB_URI": known.mongodb, "REDIS_URL": known.redis}
    lines = [
        warning(CHECK, f"{name} is not set, so its store was not checked", f"run this command with {name}")
        for name, address in missing.items()
        if not address
    ]
    if not known.metrics:
        lines.append(
            note(
                CHECK,
                "the addresses of /metrics are unknown, so the processes' clocks and open files were not checked",
                "set TRIVET_METRICS_PORT for every process, and TRIVET_METRICS_ADDRESSES for this command",
            )
        )
    return lines
