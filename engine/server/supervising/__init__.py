"""The process that keeps the workers."""
