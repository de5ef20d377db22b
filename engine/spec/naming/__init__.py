"""The typed table of names: what a request, an error or the answer of a model has, for references and conditions."""
