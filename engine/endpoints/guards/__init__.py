"""Who may send requests, from which origins, and how often."""
