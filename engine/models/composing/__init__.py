"""Models that ask other models: their predictors, and how all models of a spec are opened in the order they need."""
