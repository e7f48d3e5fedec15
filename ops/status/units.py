"""Numbers as the screen shows them. An unknown number is a dash."""

UNKNOWN = "-"


def duration(seconds: float | None) -> str:
    """Return a time in the unit that fits it, such as 1.2 ms, 3.4 s or 2d 5h."""
    if seconds is None:
        return UNKNOWN
    if seconds < 1:
        return f"{seconds * 1_000:.1f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours, days = int(seconds // 60), int(seconds // 3_600), int(seconds // 86_400)
    if days:
        return f"{days}d {hours % 24}h"
    return f"{hours}h {minutes % 60}m" if hours else f"{minutes}m {int(seconds) % 60}s"


def rate(per_second: float | None) -> str:
    """Return a rate with one decimal if it is small."""
    if per_second is None:
        return UNKNOWN
    return f"{per_second:.1f}" if per_second < 100 else f"{per_second:,.0f}"


def number(value: float | None) -> str:
    """Return a whole number."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def bytes_of(value: float | None) -> str:
    """Return a size in MB, or in kB below 1 MB."""
    if value is None:
        return UNKNOWN
    return f"{value / 1e6:,.0f} MB" if value >= 1e6 else f"{value / 1e3:,.0f} kB"
