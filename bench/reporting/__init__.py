"""The results: tables, results.json, targets, and the figures of docs/performance.md."""
