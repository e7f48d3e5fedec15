"""One file per migration, by number. A file is never changed once it was released."""
