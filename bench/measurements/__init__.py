"""What is measured once: latencies, memory at rest, revocations, many sessions, disturbances."""
