"""A tree of nodes → records, or every mistake in it."""
