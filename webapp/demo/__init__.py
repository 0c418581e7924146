"""The main job as a user does it: ``python -m webapp.demo`` starts a site and uses its API."""
