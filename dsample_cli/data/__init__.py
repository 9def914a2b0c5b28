"""Tables in: reading, columns, labels, splits, profile. Never imports torch."""
