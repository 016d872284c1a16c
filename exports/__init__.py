"""Exports trained networks for servers and phones, and verifies each artefact."""
