"""Uploads that mean harm or are broken, made here; nothing of them is in the repository."""
