"""What is measured: the processes, their stores and cores, and a signed-up user with many sessions."""
