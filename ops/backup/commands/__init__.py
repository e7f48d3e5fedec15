"""`trivet backup`: a module for each group of its commands."""

from ops.backup.commands import keeping, making, restoring
from ops.backup.commands.options import app

__all__ = ["app", "keeping", "making", "restoring"]
