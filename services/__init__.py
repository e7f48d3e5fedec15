"""One package per process, each the only owner of its datastore."""
