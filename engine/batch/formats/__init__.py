"""The formats of files: how each is opened, split into blocks, read and written."""
