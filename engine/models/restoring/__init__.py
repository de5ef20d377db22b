"""What was compiled, on disk and between processes → a `Predictor`."""
