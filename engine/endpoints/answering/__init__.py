"""Declared responses → answers: conditions, headers, bodies to choose from, and sequences with their counters."""
