"""Subscriptions, as Stripe's events report them."""
