"""How an estimator is read from a file's bytes: a module for each format, named in the table of formats."""
