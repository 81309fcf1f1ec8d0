// The judge between Portal and the fake Mews: Prism, as it comes from npm, with Mews's OpenAPI document.
//
//   Portal ──▶ door, one port a fake ──▶ Prism ──▶ way out ──▶ the fake of that door
//
// Prism knows one upstream only, so a door notes in a header where the request belongs, and the way
// out reads it. Nothing is changed on the way; what Prism found stands in a header of the answer,
// which the door counts and takes off. Run by mews-contract.
//
//   POST /doors/PORT   a door for the fake on that port; answers the door's port
//   GET  /summary      what passed and what was found, as JSON
import { spawn } from "node:child_process";
import http from "node:http";

const [prism, document] = process.argv.slice(2);
const HOST = "127.0.0.1";
const API = "/api/connector/v1/";
// Violations of a page of a thousand items make a long header.
const maxHeaderSize = 16 * 1024 * 1024;
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

const seen = new Map(); // "operation status" to count
const found = []; // violations
const asked = { wrong: 0, cut: 0 }; // answers the fake spoiled because a test ordered it
let requests = 0;
const exchanges = new Map(); // number to what the way out saw

const listen = (handle, port = 0) =>
  new Promise((resolve) => {
    const server = http.createServer({ maxHeaderSize, keepAliveTimeout: 60_000 }, handle);
    server.listen(port, HOST, () => resolve(server.address().port));
  });

const read = async (stream) => {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
};

const send = (port, { method, url }, headers, body) =>
  new Promise((resolve, reject) => {
    const to = { host: HOST, port, method, path: url, headers, agent, maxHeaderSize };
    const request = http.request(to, async (response) => {
      try {
        resolve({ status: response.statusCode, headers: response.headers, body: await read(response) });
      } catch (error) {
        reject(error);
      }
    });
    request.on("error", reject);
    request.end(body);
  });

// Headers that belong to one connection, not to the message.
const own = (headers) => {
  const { connection, "transfer-encoding": coding, "content-length": length, ...rest } = headers;
  return rest;
};

let prismPort;
const door = (fake) => async (request, response) => {
  let body;
  try {
    body = await read(request);
  } catch {
    return; // Portal was killed, or a test cut the line
  }
  const judged = request.url.startsWith(API);
  const exchange = String(++requests);
  if (!judged) requests -= 1;
  const marks = judged ? { "x-fake": String(fake), "x-exchange": exchange } : {};
  let answer;
  try {
    const { host, ...headers } = own(request.headers);
    answer = await send(judged ? prismPort : fake, request, { ...headers, ...marks, "content-length": body.length }, body);
  } catch (error) {
    if (judged) found.push({ operation: request.url, message: `Prism did not answer: ${error.code ?? error}` });
    return response.destroy();
  }
  const { "sl-violations": violations, ...headers } = own(answer.headers);
  if (judged) {
    const out = exchanges.get(exchange);
    exchanges.delete(exchange);
    const operation = request.url.slice(API.length);
    if (out?.cut) {
      asked.cut += 1;
      return response.destroy();
    }
    const key = `${operation} ${answer.status}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
    const errors = JSON.parse(violations ?? "[]").filter((violation) => violation.severity === "Error");
    // A wrong answer that a test ordered excuses the answer, never the request.
    const counts = errors.filter(({ location }) => !(out?.wrong && location?.[0] === "response"));
    if (counts.length < errors.length) asked.wrong += 1;
    for (const { location, message } of counts) found.push({ operation, location: location?.join("."), message });
    if (!out) found.push({ operation, message: `Prism answered ${answer.status} by itself` });
  }
  response.writeHead(answer.status, { ...headers, "content-length": answer.body.length });
  response.end(answer.body);
};

const wayOut = await listen(async (request, response) => {
  const { "x-fake": fake, "x-exchange": exchange, host, ...headers } = request.headers;
  const body = await read(request);
  try {
    const answer = await send(Number(fake), request, { ...own(headers), "content-length": body.length }, body);
    const { "x-wrong-on-purpose": wrong, ...rest } = own(answer.headers);
    exchanges.set(exchange, { wrong: wrong !== undefined });
    response.writeHead(answer.status, { ...rest, "content-length": answer.body.length });
    response.end(answer.body);
  } catch {
    // A fake that is gone, or one that ended the connection because a test ordered it.
    exchanges.set(exchange, { cut: true });
    response.writeHead(502).end();
  }
});

const control = await listen(async (request, response) => {
  const [, what, port] = request.url.split("/");
  const answer = what === "doors" ? await listen(door(Number(port))) : summary();
  response.end(typeof answer === "number" ? String(answer) : JSON.stringify(answer, null, 2));
});

const summary = () => ({ requests, ...asked, seen: Object.fromEntries([...seen].sort()), violations: found });

prismPort = await new Promise((resolve) => {
  const server = http.createServer().listen(0, HOST, () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});
const judge = spawn(process.execPath, [prism, "proxy", document, `http://${HOST}:${wayOut}`, "-p", prismPort, "-h", HOST, "-v", "error"], {
  stdio: "ignore",
  env: { ...process.env, NODE_OPTIONS: `--max-http-header-size=${maxHeaderSize}` },
});
const end = (code) => {
  judge.kill();
  process.exit(code);
};
judge.on("exit", () => end(1));
process.on("SIGTERM", () => end(0));
for (;;) {
  try {
    await send(prismPort, { method: "GET", url: "/" }, {}, "");
    break;
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
console.log(`http://${HOST}:${control}`);
