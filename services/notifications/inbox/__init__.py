"""The inbox: notifications and preferences."""
