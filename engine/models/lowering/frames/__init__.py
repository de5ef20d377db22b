"""Transformers of DataFrames, those of other libraries → steps on columns that are kept apart."""
