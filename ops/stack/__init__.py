"""Running the whole stack: its plan, its processes and their supervisor."""
