"""A migrated database of the test's own on each engine."""

from tests.conformance.ops.schema.conftest import empty_url, url

__all__ = ["empty_url", "url"]
