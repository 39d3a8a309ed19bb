"""The console's pages, a module each; ``silvaengine_cli.console.app`` gives them their addresses."""
