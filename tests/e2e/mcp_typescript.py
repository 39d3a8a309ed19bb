"""Programs of the official TypeScript SDK: what it sees of the tools of a desk, and an agent with tasks.

Of tasks it has the schemas of 2025-11-25, and no more for a modern server.
"""

DESK = """\
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const [url, key, manyUrl, manyKey] = process.argv.slice(2);
const seen = [];

async function connected(mode, url, key) {
  const options = { requestInit: { headers: { "x-api-key": key } } };
  const client = new Client({ name: "desk", version: "1" }, { versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url), options));
  return client;
}

for (const mode of ["auto", "legacy"]) {
  const many = await connected(mode, manyUrl, manyKey);
  const all = await many.listTools();
  await many.close();
  const client = await connected(mode, url, key);
  const { tools } = await client.listTools();
  const found = await client.callTool({ name: "ticket", arguments: { number: 3 } });
  const refused = await client.callTool({ name: "open_ticket", arguments: { title: "" } });
  const counted = await client.callTool({ name: "count_tickets", arguments: { states: ["open"] } });
  seen.push([
    client.getNegotiatedProtocolVersion(),
    tools.map((tool) => tool.name),
    all.tools.length,
    found.structuredContent,
    [refused.isError, refused.content[0].text.includes("body /title")],
    JSON.parse(counted.content[0].text).status,
  ]);
  await client.close();
}
console.log(JSON.stringify(seen));
"""

AGENT = """\
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { CallToolResultSchema, CancelTaskResultSchema } from "@modelcontextprotocol/core";
import { CreateTaskResultSchema, GetTaskResultSchema } from "@modelcontextprotocol/core";

const [url, key, folder] = process.argv.slice(2);
const options = { requestInit: { headers: { "x-api-key": key } } };
const client = new Client({ name: "agent", version: "1" }, { versionNegotiation: { mode: "legacy" } });
await client.connect(new StreamableHTTPClientTransport(new URL(url), options));

async function begin(file, seconds) {
  const params = { name: "work", arguments: { path: `${folder}/${file}`, seconds }, task: {} };
  const { task } = await client.request({ method: "tools/call", params }, CreateTaskResultSchema);
  return { taskId: task.taskId };
}

const long = await begin("long", 1);
const result = await client.request({ method: "tasks/result", params: long }, CallToolResultSchema);
const after = await client.request({ method: "tasks/get", params: long }, GetTaskResultSchema);
const unwanted = await begin("unwanted", 15);
const cancelled = await client.request({ method: "tasks/cancel", params: unwanted }, CancelTaskResultSchema);
console.log(JSON.stringify([result.structuredContent, after.status, cancelled.status]));
await client.close();
"""
