// A backend that speaks the text protocol of NATS over a bare TCP socket: no
// NATS client, none of the project's code. What it does not know, it refuses.
//
// usage: node tcp.mjs NATS-URL
import net from "node:net";

const { hostname, port } = new URL(process.argv[2]);
const socket = net.connect(Number(port), hostname);
socket.setNoDelay(true);

const send = (...parts) => socket.write(Buffer.concat(parts.map((p) => (Buffer.isBuffer(p) ? p : Buffer.from(p)))));

function publish(subject, body, header) {
  const data = Buffer.from(body);
  if (!header) {
    send(`PUB ${subject} ${data.length}\r\n`, data, "\r\n");
    return;
  }
  const head = Buffer.from(`NATS/1.0\r\n${header}\r\n\r\n`);
  send(`HPUB ${subject} ${head.length} ${head.length + data.length}\r\n`, head, data, "\r\n");
}

function headerOf(head, name) {
  for (const line of head.split("\r\n")) {
    const at = line.indexOf(":");
    if (at > 0 && line.slice(0, at).toLowerCase() === name.toLowerCase()) return line.slice(at + 1).trim();
  }
  return null;
}

const edn = (s) => (s === null ? "nil" : JSON.stringify(s));
const text = (body) => JSON.parse(body.slice(body.indexOf(" ") + 1, body.lastIndexOf("]")));

const actions = {
  echo({ head, body, reply }) {
    publish(reply, `{:backend :tcp :event ${body} :conn ${edn(headerOf(head, "Hoshi-Conn"))} :uid ${edn(headerOf(head, "Hoshi-Uid"))}}`);
  },
  refuse({ reply }) {
    publish(reply, "", "Hoshi-Error: :e2e/refused");
  },
  whisper({ head, body }) {
    const conn = headerOf(head, "Hoshi-Conn");
    publish(`hoshi.conn.${conn.slice(-12)}.${conn}`, `[:e2e/whispered {:by :tcp :event ${body}}]`);
  },
  push({ body, reply }) {
    const order = JSON.parse(text(body));
    publish(order.subject, order.body, order.exclude && `Hoshi-Exclude: ${order.exclude}`);
    publish(reply, ":pushed");
  },
};

function onMessage(subject, reply, head, body) {
  actions[subject.split(".").pop()]({ reply, head, body });
}

let greeted = false;

// One operation from the front of the buffer: the bytes it took, or 0 when it
// is not complete yet.
function step(buf) {
  const end = buf.indexOf("\r\n");
  if (end < 0) return 0;
  const line = buf.toString("utf8", 0, end);
  const [op, ...args] = line.split(/\s+/);
  switch (op.toUpperCase()) {
    case "INFO":
      // Another INFO comes whenever the cluster changes; only the first opens.
      if (greeted) return end + 2;
      greeted = true;
      send('CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"lang":"by-hand","version":"1","protocol":1}\r\n');
      send("SUB hoshi.event.e2e.tcp.> e2e 1\r\n", "PING\r\n");
      return end + 2;
    case "PING":
      send("PONG\r\n");
      return end + 2;
    case "PONG":
      console.log("ready");
      return end + 2;
    case "+OK":
      return end + 2;
    case "MSG":
    case "HMSG": {
      const total = Number(args.at(-1));
      const headers = op === "HMSG" ? Number(args.at(-2)) : 0;
      const fixed = op === "HMSG" ? 4 : 3;
      const reply = args.length > fixed ? args[2] : null;
      const start = end + 2;
      if (buf.length < start + total + 2) return 0;
      onMessage(args[0], reply, buf.toString("utf8", start, start + headers), buf.toString("utf8", start + headers, start + total));
      return start + total + 2;
    }
    default:
      throw new Error(`NATS said: ${line}`);
  }
}

let pending = Buffer.alloc(0);
socket.on("data", (chunk) => {
  pending = pending.length ? Buffer.concat([pending, chunk]) : chunk;
  for (let n = step(pending); n > 0; n = step(pending)) pending = pending.subarray(n);
});
socket.on("close", () => process.exit(process.exitCode ?? 1));
process.on("SIGTERM", () => {
  process.exitCode = 0;
  socket.end();
});
