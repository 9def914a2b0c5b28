"""The workspace on disk: run directories, manifests, catalogue."""
