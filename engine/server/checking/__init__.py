"""Everything that can fail before a service, or a change of it, is served."""
