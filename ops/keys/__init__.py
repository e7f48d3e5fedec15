"""Keys and actors: deriving, printing and signing."""
