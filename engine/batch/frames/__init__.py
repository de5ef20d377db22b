"""Rows in a program's own tables: DataFrames of pandas, and tables and record batches of Arrow."""
