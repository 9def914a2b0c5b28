"""dsample: fine-tune text classifiers on imbalanced data from the command line."""

__version__ = "0.1.0"
