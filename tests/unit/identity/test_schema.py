"""The schema is whole: a table that `services/identity/schema.py` does not import gets no migration."""

from importlib import import_module
from pathlib import Path

from sqlalchemy import Table

from services.identity import schema

FOLDER = Path(schema.__file__).parent


def test_the_tables_of_every_domain_are_imported() -> None:
    declared = {
        f"{path.parent.name}/tables.py: {name}"
        for path in FOLDER.glob("*/tables.py")
        for name, value in vars(import_module(f"services.identity.{path.parent.name}.tables")).items()
        if isinstance(value, Table) and name not in schema.__all__
    }
    assert declared == set(), "import these in services/identity/schema.py"
    assert len(schema.__all__) > 5
