"""The RPCs: each decodes, makes one call and encodes."""
