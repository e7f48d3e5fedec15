"""Benchmarks: each path of Trivet beside its bare equivalent, in the same run."""
