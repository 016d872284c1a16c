"""Measures what networks make of photos: image quality, and what a detector finds."""
