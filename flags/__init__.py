"""Command-line flags, one module per concern, and flagfiles (*.flags)."""
