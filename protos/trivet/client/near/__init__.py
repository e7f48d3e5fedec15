"""The near cache: entries of the cache service in this process, served only while its Watch stream is alive."""
