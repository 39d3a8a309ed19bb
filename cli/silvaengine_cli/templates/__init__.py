"""What ``silvaengine init`` writes: texts for ``string.Template``."""
