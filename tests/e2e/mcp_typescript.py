"""A program of the official TypeScript SDK: what it sees of the tools of a desk."""

SOURCE = """\
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const [url, key] = process.argv.slice(2);
const seen = [];
for (const mode of ["auto", "legacy"]) {
  const options = { requestInit: { headers: { "x-api-key": key } } };
  const client = new Client({ name: "desk", version: "1" }, { versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url), options));
  const { tools } = await client.listTools();
  const found = await client.callTool({ name: "ticket", arguments: { number: 3 } });
  const refused = await client.callTool({ name: "open_ticket", arguments: { title: "" } });
  const counted = await client.callTool({ name: "count_tickets", arguments: { states: ["open"] } });
  seen.push([
    client.getNegotiatedProtocolVersion(),
    tools.map((tool) => tool.name),
    found.structuredContent,
    [refused.isError, refused.content[0].text.includes("body /title")],
    JSON.parse(counted.content[0].text).status,
  ]);
  await client.close();
}
console.log(JSON.stringify(seen));
"""
