// Prints what the judge saw, then shows that it sees: a wrong request and a wrong answer must be
// found. Fails when either is missed, when anything else was found, or when an operation that Portal
// uses was never answered. Run by mews-contract.
import http from "node:http";

const [judge] = process.argv.slice(2);
const USED = [
  "configuration/get", "services/getAll", "resources/getAll", "resourceCategories/getAll",
  "resourceCategoryAssignments/getAll", "reservations/getAll/2023-06-06", "customers/getAll",
  "companionships/getAll", "resourceAccessTokens/getAll", "resourceAccessTokens/add",
  "resourceAccessTokens/update", "resourceAccessTokens/delete",
];
const summary = async () => (await fetch(`${judge}/summary`)).json();

const seen = await summary();
const statuses = {};
for (const [key, count] of Object.entries(seen.seen)) {
  const at = key.lastIndexOf(" ");
  (statuses[key.slice(0, at)] ??= []).push(`${key.slice(at + 1)}: ${count}`);
}
for (const [operation, counts] of Object.entries(statuses)) console.log(`${operation.padEnd(42)} ${counts.join("  ")}`);
console.log(`spoiled by order of a test: ${seen.wrong} answers with wrong content, ${seen.cut} cut off`);
const kinds = new Map();
for (const { operation, location, message } of seen.violations) {
  const kind = `${operation} ${location ?? ""}: ${message}`.replace(/\.\d+\./g, ".n.");
  kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
}
for (const [kind, count] of kinds) console.log(`violation, ${count} times: ${kind}`);
const missing = USED.filter((operation) => !seen.seen[`${operation} 200`]);
if (missing.length > 0) console.log(`never answered: ${missing.join(", ")}`);

// A fake of nothing: every answer is an empty object.
const empty = http.createServer((request, response) => {
  request.resume();
  response.writeHead(200, { "content-type": "application/json" }).end("{}");
});
await new Promise((resolve) => empty.listen(0, "127.0.0.1", resolve));
const door = await (await fetch(`${judge}/doors/${empty.address().port}`, { method: "POST" })).text();
const post = (operation, members) =>
  fetch(`http://127.0.0.1:${door}/api/connector/v1/${operation}`, {
    method: "POST",
    headers: { "content-type": "application/json", connection: "close" },
    body: JSON.stringify({ ClientToken: "c", AccessToken: "a", Client: "Portal", ...members }),
  });
const found = async (location) => {
  const { violations } = await summary();
  return violations.slice(seen.violations.length).filter((violation) => violation.location?.startsWith(location)).length;
};
await post("resourceAccessTokens/delete", { Ids: [] });
const wrongRequest = await found("request");
await post("configuration/get", {});
const wrongAnswer = await found("response");
empty.close();
console.log(`a wrong request on purpose: ${wrongRequest ? "found" : "MISSED"}; a wrong answer: ${wrongAnswer ? "found" : "MISSED"}`);

console.log(`${seen.requests} requests, ${seen.violations.length} violations`);
const good = seen.requests > 0 && seen.violations.length === 0 && missing.length === 0 && wrongRequest > 0 && wrongAnswer > 0;
process.exit(good ? 0 : 1);
