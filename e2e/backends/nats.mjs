// A backend written against the published contract alone, with the npm client
// of NATS and none of the project's code. It cannot read EDN, and need not:
// bodies are text, and an answer is text around them.
//
// usage: node nats.mjs NATS-URL
import { connect, headers } from "nats";

const nc = await connect({ servers: process.argv[2], name: "e2e-npm-backend" });
const decode = (m) => new TextDecoder().decode(m.data);
const header = (m, name) => (m.headers && m.headers.has(name) ? m.headers.get(name) : null);
const edn = (s) => (s === null ? "nil" : JSON.stringify(s));

// The string that is the data of `[:id "..."]`. JSON covers its escapes.
const text = (body) => JSON.parse(body.slice(body.indexOf(" ") + 1, body.lastIndexOf("]")));

const life = [];

const actions = {
  echo(m, body) {
    m.respond(`{:backend :nats :event ${body} :conn ${edn(header(m, "Hoshi-Conn"))} :uid ${edn(header(m, "Hoshi-Uid"))}}`);
  },
  refuse(m) {
    const h = headers();
    h.set("Hoshi-Error", ":e2e/refused");
    m.respond("", { headers: h });
  },
  silent() {},
  nil(m) {
    m.respond("nil");
  },
  twice(m) {
    m.respond(":first");
    m.respond(":second");
  },
  "bad-then-good"(m) {
    m.respond("{:a 1 :a 2}");
    m.respond(":good");
  },
  whisper(m, body) {
    const conn = header(m, "Hoshi-Conn");
    nc.publish(`hoshi.conn.${conn.slice(-12)}.${conn}`, `[:e2e/whispered {:by :nats :event ${body}}]`);
  },
  push(m, body) {
    const order = JSON.parse(text(body));
    const h = headers();
    if (order.exclude) h.set("Hoshi-Exclude", order.exclude);
    nc.publish(order.subject, order.body, order.exclude ? { headers: h } : {});
    m.respond(":pushed");
  },
  seen(m, body) {
    const conn = text(body);
    m.respond(`[${life.filter((l) => l.includes(conn)).join(" ")}]`);
  },
};

nc.subscribe("hoshi.event.e2e.nats.>", {
  queue: "e2e",
  callback(err, m) {
    if (err) throw err;
    actions[m.subject.split(".").pop()](m, decode(m));
  },
});
for (const subject of ["hoshi.event.chsk.conn-open", "hoshi.event.chsk.conn-close"]) {
  nc.subscribe(subject, {
    callback(err, m) {
      if (err) throw err;
      life.push(decode(m));
    },
  });
}
await nc.flush();
console.log("ready");

process.on("SIGTERM", async () => {
  await nc.drain();
  process.exit(0);
});
