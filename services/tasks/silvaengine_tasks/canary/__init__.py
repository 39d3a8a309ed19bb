"""Canaries: a release that serves some of the tenants first, and what becomes of it."""
