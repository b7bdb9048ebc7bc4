"""Recording runs of one's own: what is said, kept, delivered, and by whom."""
