"""Models that are composed of others: what is checked of their entries, and the records made of them."""
