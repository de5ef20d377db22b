"""What `init` reads off a model."""
