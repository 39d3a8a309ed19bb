"""One module for each group of commands; ``silvaengine_cli.main`` imports them when they are used."""
