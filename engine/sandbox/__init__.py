"""Uploads are read in a process that may do next to nothing.

``client`` is for who has an upload checked, ``server`` is a warm process that forks one confined
child an upload, ``confine`` takes rights away, ``landlock`` speaks to the kernel, ``task`` is what
the child does. ``container`` is for who has an upload checked in a container, ``stdio`` is what
that container runs.
"""
