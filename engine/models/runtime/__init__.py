"""What a worker executes; imports no scikit-learn."""
