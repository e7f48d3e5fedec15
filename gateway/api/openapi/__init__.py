"""The OpenAPI description of everything that the gateway serves, and the page that shows it."""
