// A client in JSON that knows nothing of ours: a WebSocket, JSON.parse and
// JSON.stringify. It talks over three nodes to a client in EDN, whose frames are
// written by hand, and to a backend that speaks JSON.
import assert from "node:assert/strict";
import { connect, headers } from "nats";
import WebSocket from "ws";

const settings = JSON.parse(process.env.E2E_SETTINGS);
const patience = 20_000;

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${patience} ms`)), patience);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// open returns a socket whose frames are read one by one.
async function open(url, protocols, read) {
  const ws = new WebSocket(url, protocols);
  const frames = [];
  const waiting = [];
  ws.on("message", (m) => {
    const frame = read(m.toString());
    if (waiting.length > 0) waiting.shift()(frame);
    else frames.push(frame);
  });
  await within(new Promise((resolve, reject) => ws.once("open", resolve).once("error", reject)), "open");
  const next = () =>
    within(frames.length > 0 ? Promise.resolve(frames.shift()) : new Promise((r) => waiting.push(r)), "a frame");
  return { ws, next, send: (v) => ws.send(typeof v === "string" ? v : JSON.stringify(v)) };
}

async function check(name, fn) {
  try {
    await fn();
    console.log(`ok ${name}`);
  } catch (e) {
    console.log(`FAIL ${name} ${String(e.stack).replaceAll("\n", " | ")}`);
  }
}

const [a, b, c] = settings.nodes;
const json = await open(`${a}?format=json`, [], JSON.parse);
const named = await open(b, ["hoshi.json"], JSON.parse);
const edn = await open(c, [], String);

let conn;
await check("handshake", async () => {
  const [id, [uid, csrf, info, first]] = await json.next();
  conn = info["conn-id"];
  assert.deepEqual([id, uid, csrf, first], ["chsk/handshake", conn, null, true]);
  assert.match(conn, /^conn-[0-9a-f-]{36}$/);
});
await check("subprotocol", async () => {
  assert.equal(named.ws.protocol, "hoshi.json");
  assert.equal((await named.next())[0], "chsk/handshake");
  assert.match(await edn.next(), /^\[:chsk\/handshake /);
});
await check("ping", async () => {
  json.send(["chsk/ws-ping"]);
  assert.deepEqual(await json.next(), ["chsk/ws-pong"]);
});
await check("subscribed", async () => {
  for (const s of [json, named]) {
    s.send(["sente-lite/subscribe", { "channel-id": ":chat/room" }]);
    assert.deepEqual(await s.next(), ["sente-lite/subscribed", { "channel-id": ":chat/room", success: true }]);
  }
  edn.send("[:sente-lite/subscribe {:channel-id :chat/room}]");
  assert.equal(await edn.next(), "[:sente-lite/subscribed {:channel-id :chat/room, :success true}]");
});
await check("json-to-all", async () => {
  const data = { text: 'h"é😀\n', n: [1, 2.5, null, true], "user/id": 7 };
  json.send(["sente-lite/publish", { "channel-id": ":chat/room", data, "exclude-sender?": true }]);
  assert.deepEqual(await named.next(), ["sente-lite/channel-msg", { "channel-id": ":chat/room", data, from: conn }]);
  assert.equal(
    await edn.next(),
    `[:sente-lite/channel-msg {:channel-id :chat/room, :data {:text "h\\"é😀\\n", :n [1 2.5 nil true], :user/id 7}, :from "${conn}"}]`,
  );
});
await check("edn-to-all", async () => {
  edn.send('[:sente-lite/publish {:channel-id :chat/room :data {:at #inst "2026-01-02T03:04:05Z" :tags #{:a/b} :half 1/2}}]');
  const want = { at: "2026-01-02T03:04:05.000Z", tags: ["a/b"], half: "1/2" };
  for (const s of [json, named]) assert.deepEqual((await s.next())[1].data, want);
  await edn.next();
});

const nc = await connect({ servers: settings.nats[1] });
const events = nc.subscribe("hoshi.event.shop.>", { queue: "shop" });
(async () => {
  for await (const m of events) {
    const [id, data] = JSON.parse(m.string());
    const h = headers();
    if (id === "shop/price") {
      h.set("Content-Type", "application/json");
      m.respond(JSON.stringify({ cents: data.item * 100 }), { headers: h });
    } else {
      h.set("Hoshi-Error", ":shop/closed");
      m.respond("", { headers: h });
    }
  }
})();
await nc.flush();
await check("callback", async () => {
  // The interest reaches the other servers a moment after the flush.
  const deadline = Date.now() + patience;
  let answer;
  do {
    json.send([["shop/price", { item: 7 }], "cb-1"]);
    answer = await json.next();
  } while (answer[0] === "chsk/error" && Date.now() < deadline);
  assert.deepEqual(answer, [{ cents: 700 }, "cb-1"]);
  json.send([["shop/other"], { cb: 2 }]);
  assert.deepEqual(await json.next(), ["shop/closed", { cb: 2 }]);
});
await check("push", async () => {
  const event = ["shop/shipped", { order: 7, by: "post/air" }];
  nc.publish("hoshi.all", JSON.stringify(event));
  for (const s of [json, named]) assert.deepEqual(await s.next(), event);
  assert.equal(await edn.next(), '[:shop/shipped {:order 7, :by "post/air"}]');
});
await check("bad-input", async () => {
  json.send('["sente-lite/publish", {"channel-id": ":chat/room", "data": {"a": 1, "a": 2}}]');
  json.send("[:chat/hi]");
  json.send([["chsk/mine"], "cb-3"]);
  assert.deepEqual(await json.next(), ["chsk/error", "cb-3"]);
});
await check("nothing-else", async () => {
  for (const s of [json, named]) {
    s.send(["chsk/ws-ping"]);
    assert.deepEqual(await s.next(), ["chsk/ws-pong"]);
  }
});

await nc.close();
for (const s of [json, named, edn]) s.ws.close();
console.log("done");
