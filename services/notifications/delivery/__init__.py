"""Delivery: the queue, its worker and back-off."""
