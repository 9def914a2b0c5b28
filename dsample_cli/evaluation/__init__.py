"""Labels and probabilities in, figures out."""
