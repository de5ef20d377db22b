"""Several files and groups of routes → one flat list of routes, and schemas that are whole."""
