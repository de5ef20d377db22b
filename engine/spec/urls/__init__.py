"""URL rules and their parameters, as Flask has them."""
