"""Wire protocols of other servers that a service speaks too: what the spec says of them, and their routes."""
