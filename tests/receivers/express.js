// node express.js SECRET WHSEC: the same receivers in Express, and those that the packages standardwebhooks and svix make.
// The packages are found through NODE_PATH.
const express = require("express");
const { Webhook } = require("standardwebhooks");
const { Webhook: SvixWebhook } = require("svix");

const [secret, standardSecret] = process.argv.slice(2);
const handlers = require("./handlers.js")(secret, standardSecret);
const stats = {};

const byLibrary = (webhook) => (req) => {
  webhook.verify(req.rawBody, req.headers); // throws
  return true;
};
handlers["/standardwebhooks"] = byLibrary(new Webhook(standardSecret));
handlers["/svix"] = byLibrary(new SvixWebhook(standardSecret));

const app = express();
app.get("/stats", (_req, res) => res.json(stats));
app.use((req, _res, next) => {
  stats[req.url] ||= { taken: 0, refused: [], ids: {}, largest: 0 };
  next();
});
app.use(express.json({ verify: (req, _res, raw) => { req.rawBody = raw; } }));
for (const [path, handle] of Object.entries(handlers)) {
  app.post(path, (req, res) => {
    const row = stats[path];
    row.largest = Math.max(row.largest, req.rawBody.length);
    row.ids[req.headers["webhook-id"]] = true;
    if (!handle(req)) throw new Error("invalid signature");
    row.taken += 1;
    res.status(200).json({ received: true });
  });
}
app.use((error, req, res, _next) => {
  stats[req.path].refused.push(String(error).slice(0, 300));
  res.status(error.status || 401).json({ error: String(error) });
});
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
