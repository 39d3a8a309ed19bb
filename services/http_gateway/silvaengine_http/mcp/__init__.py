"""An endpoint's functions as the tools of an MCP server: docs/mcp.md."""
