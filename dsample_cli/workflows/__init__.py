"""One file a command: configuration in, result dataclass out, nothing printed."""
