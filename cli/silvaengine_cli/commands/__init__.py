"""One module for each group of commands; ``silvaengine_cli.main`` loads them when they are asked for."""
