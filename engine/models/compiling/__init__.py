"""A model's file → what is kept in the cache."""
