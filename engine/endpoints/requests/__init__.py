"""Requests → values: the parameters and the body, read by the schemas that a route declares for them."""
