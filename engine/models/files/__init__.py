"""A model's file, and the modules beside models.yaml that it needs, as bytes."""
