"""Benchmarks: programs, not tests. Each takes --json and --quick."""
