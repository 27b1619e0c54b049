// Receivers as senders' documentation shows them, one a path. Each gets what express.json() leaves: `req.body` parsed,
// `req.rawBody` where the receiver keeps it, `req.headers`; and says whether it takes the request.
const crypto = require("crypto");

module.exports = (secret, standardSecret) => {
  const hmac = (content) => crypto.createHmac("sha256", secret).update(content).digest("hex");

  const timingSafe = (a, b) => {
    const [left, right] = [Buffer.from(a), Buffer.from(b)];
    return left.length === right.length && crypto.timingSafeEqual(left, right);
  };

  // sha256= and the HMAC of the body, strings compared.
  const sha256 = (req) => req.headers["x-acme-signature"] === "sha256=" + hmac(req.rawBody);

  // The same by a receiver that has only the parsed body left.
  const sha256Parsed = (req) =>
    req.headers["x-acme-signature"] === "sha256=" + hmac(JSON.stringify(req.body));

  // timestamp.body of the parsed body, in constant time, five minutes' tolerance.
  const timestamped = (req) => {
    const signature = req.headers["x-acme-signature"];
    const timestamp = req.headers["x-acme-timestamp"];
    if (!signature || Math.abs(Date.now() / 1000 - Number(timestamp)) > 300) return false;
    return timingSafe(signature, hmac(`${timestamp}.${JSON.stringify(req.body)}`));
  };

  const hex = (req) => timingSafe(req.headers["x-acme-signature"] || "", hmac(req.rawBody));

  const bearer = (req) => req.headers.authorization === `Bearer ${secret}`;

  // Standard Webhooks by hand, as its specification describes it.
  const standard = (req) => {
    const key = Buffer.from(standardSecret.replace("whsec_", ""), "base64");
    const { "webhook-id": id, "webhook-timestamp": timestamp } = req.headers;
    if (Math.abs(Date.now() / 1000 - Number(timestamp)) > 300) return false;
    const signed = crypto.createHmac("sha256", key).update(`${id}.${timestamp}.${req.rawBody}`);
    const expected = "v1," + signed.digest("base64");
    return req.headers["webhook-signature"].split(" ").some((found) => timingSafe(found, expected));
  };

  // A receiver of metadata: what is in the body must be what the headers say.
  const metadata = (req) => {
    const { id, type, timestamp, data, metadata: from } = req.body;
    const entity = data && data.vulnerability;
    return sha256Parsed(req) && type === req.headers["x-acme-event"] && Boolean(id && timestamp) &&
      Boolean(entity && entity.custom) && Boolean(from.source && from.integration_id);
  };

  const eventKey = (req) => {
    const { event, id, timestamp, data } = req.body;
    return sha256(req) && event === req.headers["x-acme-event"] && Boolean(id && timestamp && data);
  };

  const envelope = (req) => timestamped(req) && Boolean(req.body.id && req.body.data);

  return {
    "/sha256": sha256, "/sha256-parsed": sha256Parsed, "/timestamped": timestamped, "/hex": hex,
    "/bearer": bearer, "/standard": standard, "/compat-envelope": envelope,
    "/compat-envelope-metadata": metadata, "/compat-event-key": eventKey,
  };
};
