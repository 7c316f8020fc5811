"""The audit: rows are read again at the block that each names, and compared. `trueup verify` and the audit actor stand on it."""
