"""Programs that try to break the tool, and their short forms as tests."""
