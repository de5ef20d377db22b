"""Requests of a public shape → a model's instances, and violations of these back at their places in the request."""
