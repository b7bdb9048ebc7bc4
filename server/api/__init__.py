"""The endpoints: one module per subject, each with its routes."""
