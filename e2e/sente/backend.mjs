// A backend of the tests of Sente, with the npm client of NATS. It reads no EDN and
// no Transit: what it answers is text around what it took, in the same format.
//
// usage: node backend.mjs NATS-URL
import { connect, headers } from "nats";

const nc = await connect({ servers: process.argv[2], name: "e2e-sente-backend" });
const decode = (m) => new TextDecoder().decode(m.data);
// The uid is a token; here only names that are their own tokens are used.
const user = (m) => m.headers.get("Hoshi-Uid");

// The data of `[:id data]`, as text.
const data = (body) => body.slice(body.indexOf(" ") + 1, body.lastIndexOf("]"));

function typed(type) {
  const h = headers();
  h.set("Content-Type", type);
  return h;
}

const seen = [];

const actions = {
  echo(m, body) {
    const type = m.headers.get("Content-Type");
    if (!type) m.respond(data(body));
    else m.respond(JSON.stringify(JSON.parse(body)[1]), { headers: typed(type) });
  },
  refuse(m) {
    const h = headers();
    h.set("Hoshi-Error", ":e2e/refused");
    m.respond("", { headers: h });
  },
  silent() {},
  // Says what it has heard, itself excepted.
  heard: (m) => m.respond(`[${seen.join(" ")}]`),
  note: (m, body) => seen.push(body),
  // Pushes the data to a user: [:e2e.sente/pass ["user" data]].
  pass(m, body) {
    const [, to, rest] = /^\["([^"]*)" (.*)\]$/s.exec(data(body));
    nc.publish(`hoshi.user.${to}`, `[:e2e/passed ${rest}]`);
    if (m.reply) m.respond("true");
  },
  // Pushes to a tab, whoever holds it: [:e2e.sente/tab ["client-id" data]].
  tab(m, body) {
    const [, to, rest] = /^\["([^"]*)" (.*)\]$/s.exec(data(body));
    nc.publish(`hoshi.client.${to}`, `[:e2e/passed ${rest}]`);
    if (m.reply) m.respond("true");
  },
  // Pushes numbers to the sender, from 0: [:e2e.sente/count {:n n, :gap ms}].
  async count(m, body) {
    const [n, gap] = data(body).match(/\d+/g).map(Number);
    if (m.reply) m.respond("true");
    for (let i = 0; i < n && !nc.isDraining(); i++) {
      nc.publish(`hoshi.user.${user(m)}`, `[:e2e/number ${i}]`);
      if (gap > 0) await new Promise((resolve) => setTimeout(resolve, gap));
    }
  },
  close(m) {
    nc.publish(`hoshi.user.${user(m)}`, "[:chsk/close]");
  },
};

nc.subscribe("hoshi.event.e2e.sente.>", {
  queue: "e2e-sente",
  callback(err, m) {
    if (err) throw err;
    actions[m.subject.split(".").pop()](m, decode(m));
  },
});
nc.subscribe("hoshi.event.chsk.bad-event", {
  queue: "e2e-sente",
  callback(err, m) {
    if (err) throw err;
    seen.push(decode(m));
  },
});
await nc.flush();
console.log("ready");

process.on("SIGTERM", async () => {
  await nc.drain();
  process.exit(0);
});
