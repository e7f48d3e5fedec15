"""Checks for the fields of a request. Each error names the field."""

from runtime.errors import InvalidArgument


def check_length(path: str, text: str, limit: int) -> None:
    """Raise InvalidArgument for a text of more than `limit` characters."""
    if len(text) > limit:
        raise invalid_field(path, f"can have at most {limit} characters, not {len(text)}")


def invalid_field(path: str, rule: str) -> InvalidArgument:
    """Return the error for a field that breaks a rule."""
    return InvalidArgument("INVALID_FIELD", f"{path} {rule}", field=path)
