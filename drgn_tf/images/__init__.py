"""Photos in files, and pictures made of them."""
