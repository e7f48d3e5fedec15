"""The JSON API under /v1: how HTTP reaches the RPCs, and the description of everything that is served."""
