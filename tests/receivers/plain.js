// node plain.js SECRET WHSEC: a server of the receivers without any package, which reads bodies as express.json() does:
// application/json, at most 100 KiB, an object or a list. GET /stats tells who took how many.
const http = require("http");

const handlers = require("./handlers.js")(process.argv[2], process.argv[3]);
const LIMIT = 100 * 1024;
const stats = {};

const judge = (handle, req, raw) => {
  if (!/^application\/(.+\+)?json\b/.test(req.headers["content-type"] || "")) return [415, "type"];
  if (raw.length > LIMIT) return [413, "entity.too.large"];
  if (!/^[\x20\x09\x0a\x0d]*[[{]/.test(raw.toString("latin1"))) return [400, "entity.parse.failed"];
  try {
    req.body = JSON.parse(raw.toString("utf8"));
  } catch (error) {
    return [400, String(error)];
  }
  req.rawBody = raw;
  return handle(req) ? [200, ""] : [401, "invalid signature"];
};

const server = http.createServer((req, res) => {
  const handle = handlers[req.url];
  if (req.url === "/stats") return res.end(JSON.stringify(stats));
  if (!handle) return res.writeHead(404).end();
  const chunks = [];
  req.on("data", (chunk) => chunks.push(chunk));
  req.on("end", () => {
    const raw = Buffer.concat(chunks);
    const [status, reason] = judge(handle, req, raw);
    const row = (stats[req.url] ||= { taken: 0, refused: [], ids: {}, largest: 0 });
    row.largest = Math.max(row.largest, raw.length);
    row.ids[req.headers["webhook-id"]] = true;
    if (status === 200) row.taken += 1;
    else if (row.refused.push(`${reason}: ${raw.slice(0, 300)}`) > 5) row.refused.pop();
    res.writeHead(status, { "content-type": "text/plain" }).end(reason);
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
