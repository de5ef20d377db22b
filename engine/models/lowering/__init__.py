"""Estimators → programs."""
