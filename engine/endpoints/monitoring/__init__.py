"""What a service says of itself: health, status and metrics."""
