"""The files that entries name, and what the descriptions of model folders say of the entries."""
