"""The comparison of candidates with scikit-learn, and the choice of the fastest that answers as it does."""
