"""Scratch systems: private folders and servers that vanish with the process that made them."""
