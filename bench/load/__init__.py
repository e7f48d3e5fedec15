"""Load generators: they run in a process of their own and cost their core little."""
