"""What goes into a model: instances, rows, the columns of tables, and the rows of a reference."""
