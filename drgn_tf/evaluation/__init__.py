"""Evaluates enhanced photos: image quality, and detection before and after."""
