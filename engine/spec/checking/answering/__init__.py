"""What a route answers, in routes.yaml: responses, cases, sequences, faults, and the shapes of models."""
