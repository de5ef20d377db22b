"""Estimators of scikit-learn: loaded, compared with their spec, and asked."""
