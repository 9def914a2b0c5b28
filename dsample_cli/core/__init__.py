"""The method itself: scores, schedules, sampling. NumPy only."""
