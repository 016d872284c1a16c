"""Photo files, and grids of images."""
