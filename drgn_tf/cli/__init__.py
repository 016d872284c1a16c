"""The commands: thin programs over the libraries of the package."""
