"""`trivet backup`: backups of all stores, verified by restoring them."""
