"""Backup and restore of a whole site: its rows, its stored files, what its workers made.

``archive`` is the file format, ``database`` the rows, ``files`` the rest; ``making`` and
``restoring`` put them together.
"""
