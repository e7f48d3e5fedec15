"""Billing: subscriptions, as Stripe's events report them."""
