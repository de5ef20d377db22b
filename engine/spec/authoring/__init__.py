"""What `init` and `lock` write: new specs, new entries, and changes to existing files."""
