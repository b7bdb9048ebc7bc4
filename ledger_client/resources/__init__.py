"""What one can ask of a ledger, one module per subject; each method is written once."""
