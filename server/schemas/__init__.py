"""What goes over the wire: bodies, queries and answers, one module per subject."""
