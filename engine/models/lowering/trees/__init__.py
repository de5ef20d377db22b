"""Trees of any library as plain arrays, and the `TreeTable` of an ensemble of them."""
