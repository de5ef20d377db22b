"""Where predictions and reports go: files that appear when they are complete, or standard output."""
