"""A spec file's text → a tree of nodes that know their places."""
