"""How old an asset's rows are, and whether they can be kept as young as the operator wants."""
