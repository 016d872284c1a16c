"""Command-line flags, one module per concern, and presets of them (*.flags)."""
