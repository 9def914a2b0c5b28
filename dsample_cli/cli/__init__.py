"""The terminal: one thin file a command."""
