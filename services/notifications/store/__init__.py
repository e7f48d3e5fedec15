"""MongoDB: the client, indexes, keyset pagination and tombstones."""
