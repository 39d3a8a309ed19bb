"""The `silvaengine` command and the local engine; never deployed."""
