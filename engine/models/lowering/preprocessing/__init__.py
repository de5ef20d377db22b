"""Transformers → the steps of a program."""
