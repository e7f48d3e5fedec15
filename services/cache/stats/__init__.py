"""Statistics: hits, misses, fills and refused writes by namespace."""
