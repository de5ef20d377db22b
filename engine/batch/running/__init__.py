"""A file → its predictions in another file, in several processes."""
