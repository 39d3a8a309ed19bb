"""A class: created from its settings, then kept for later calls of the same tenant."""

import logging


class Greetings:
    """Greets in words from the settings, so that each tenant has its own."""

    def __init__(self, logger: logging.Logger, greeting: str = "Hello", punctuation: str = "!") -> None:
        """Take the settings by name; a setting that has no parameter here is an error."""
        self.logger = logger
        self.greeting = greeting
        self.punctuation = punctuation

    def hello(self, name: str = "world") -> dict[str, str]:
        """Return JSON; ``name`` comes from the query string or from a JSON body."""
        self.logger.debug("Greeting somebody")
        return {"message": f"{self.greeting}, {name}{self.punctuation}"}
