"""Folders that contain a model with its description: those of MLflow, and those of skops for the Hugging Face Hub."""
