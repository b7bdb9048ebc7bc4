"""What one may ask: read models, folded from the log."""
