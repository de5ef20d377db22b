"""Record batches → predictions; knows no file and no process."""
