"""Users: profiles, custom fields, administration and deletion."""
