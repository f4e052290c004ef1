// Sente in other formats, beside a client in EDN: Transit as the npm package
// transit-js reads and writes it, and MessagePack and the gzip wrapper of bytes
// made by hand. All are on different nodes.
import assert from "node:assert/strict";
import { gunzipSync, gzipSync } from "node:zlib";
import transit from "transit-js";
import { check, nodes, open, until } from "./wire.mjs";

const kw = transit.keyword;
const map = (...entries) => transit.map(entries);
const room = "formats";

// ---- MessagePack, of what the test needs: by hand, as Sente's packer has it.

const bytes = (...parts) => Buffer.concat(parts.map((p) => (typeof p === "number" ? Buffer.from([p]) : p)));
const str = (s) => {
  const b = Buffer.from(s);
  return b.length < 32 ? bytes(0xa0 | b.length, b) : bytes(0xd9, b.length, b);
};
const ext = (kind, s) => {
  const b = Buffer.from(s);
  const fixed = { 1: 0xd4, 2: 0xd5, 4: 0xd6, 8: 0xd7, 16: 0xd8 }[b.length];
  return fixed ? bytes(fixed, kind, b) : bytes(0xc7, b.length, kind, b);
};
const mkw = (name) => ext(0, name);
const arr = (...items) => bytes(0x90 | items.length, ...items);
const obj = (...items) => bytes(0x80 | (items.length / 2), ...items);
const nil = Buffer.from([0xc0]);

// unpack reads one value: keywords as ":name", other extensions as {ext, hex}.
function unpack(b) {
  let at = 0;
  const take = (n) => b.subarray(at, (at += n));
  const text = (n) => take(n).toString();
  const many = (n) => Array.from({ length: n }, value);
  const cached = [];
  const key = () => {
    const begin = at;
    if (b[at] === 0xd4 && b[at + 1] === 8) {
      at += 3;
      return cached[b[at - 1]];
    }
    const k = value();
    if (at - begin > 2 && cached.length < 256) cached.push(k);
    return k;
  };
  const pairs = (n) => Object.fromEntries(Array.from({ length: n }, () => [key(), value()]));
  const extension = (n) => {
    const kind = take(1).readInt8();
    return kind === 0 ? `:${text(n)}` : { ext: kind, hex: take(n).toString("hex") };
  };
  function value() {
    const t = take(1)[0];
    if (t < 0x80) return t;
    if (t < 0x90) return pairs(t & 15);
    if (t < 0xa0) return many(t & 15);
    if (t < 0xc0) return text(t & 31);
    switch (t) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc7: return extension(take(1)[0]);
      case 0xcb: return take(8).readDoubleBE();
      case 0xcc: return take(1)[0];
      case 0xcd: return take(2).readUInt16BE();
      case 0xd3: return Number(take(8).readBigInt64BE());
      case 0xd9: return text(take(1)[0]);
      case 0xda: return text(take(2).readUInt16BE());
      case 0xdc: return many(take(2).readUInt16BE());
    }
    const fixed = { 0xd4: 1, 0xd5: 2, 0xd6: 4, 0xd7: 8, 0xd8: 16 }[t];
    assert(fixed, `byte ${t.toString(16)} of ${b.toString("hex")}`);
    return extension(fixed);
  }
  const v = value();
  assert.equal(at, b.length, "more than one value");
  return v;
}

// ---- The clients.

const connect = async (node, name, format, protocols) =>
  open(`${nodes[node]}?client-id=${name}&uid=${name}${format ? `&format=${format}` : ""}`, protocols);

const edn = await connect(0, "in-edn");
const plain = await connect(1, "in-transit", "transit");
const verbose = await connect(2, "in-verbose", "transit-verbose");
const named = await connect(0, "in-named", "", ["hoshi.transit"]);
const packed = await connect(1, "in-msgpack", "msgpack");
const zipped = await connect(2, "in-gzip", "edn-gzip");

const textReader = { reader: transit.reader("json"), verbose: transit.reader("json-verbose") };
for (const [s, kind] of [[plain, "json"], [named, "json"], [verbose, "json-verbose"]]) {
  const writer = transit.writer(kind);
  const reader = kind === "json" ? textReader.reader : textReader.verbose;
  s.write = (v) => s.send(writer.write(v));
  s.read = async (what) => {
    const text = await s.next(what);
    assert.equal(typeof text, "string");
    return reader.read(text);
  };
}
packed.read = async (what) => {
  const b = await packed.next(what);
  assert(Buffer.isBuffer(b), `a text message: ${b}`);
  return unpack(b);
};
zipped.write = (text, zip) => zipped.send(zip ? bytes(1, gzipSync(text)) : bytes(0, Buffer.from(text)));
zipped.read = async (what) => {
  const b = await zipped.next(what);
  assert(Buffer.isBuffer(b), `a text message: ${b}`);
  return (b[0] === 1 ? gunzipSync(b.subarray(1)) : b.subarray(1)).toString();
};

const same = (a, b) => assert(transit.equals(a, b), `${transit.writer("json").write(a)} is not ${transit.writer("json").write(b)}`);

await check("handshakes", async () => {
  for (const [s, name] of [[plain, "in-transit"], [verbose, "in-verbose"], [named, "in-named"]]) {
    const [[id, [uid, csrf, info]], cb] = await s.read("the handshake");
    same([id, uid, csrf, cb], [kw("chsk/handshake"), name, null, null]);
    assert.match(info.get(kw("conn-id")), /^conn-/);
  }
  assert.equal(named.ws.protocol, "hoshi.transit");
  const [[id, [uid, , info]], cb] = await packed.read("the handshake");
  assert.deepEqual([id, uid, cb], [":chsk/handshake", "in-msgpack", null]);
  assert.match(info[":conn-id"], /^conn-/);
  assert.match(await zipped.read("the handshake"), /^\[\[:chsk\/handshake \["in-gzip" nil \{.*\}\]\] nil\]$/);
  assert.match(await edn.next("the handshake"), /^\[\[:chsk\/handshake \["in-edn" /);
});

await check("pings", async () => {
  for (const s of [plain, verbose, named]) {
    s.write([[kw("chsk/ws-ping")], "84da23"]);
    same(await s.read("pong"), ["pong", "84da23"]);
  }
  packed.send(arr(arr(mkw("chsk/ws-ping")), str("84da23")));
  assert.deepEqual(await packed.read("pong"), ["pong", "84da23"]);
  for (const zip of [false, true]) {
    zipped.write('[[:chsk/ws-ping] "84da23"]', zip);
    assert.equal(await zipped.read("pong"), '["pong" "84da23"]');
  }
});

await check("callbacks", async () => {
  await until(
    async () => {
      plain.write([[kw("e2e.sente/echo"), map(kw("n"), 1)], "cb"]);
      return (await plain.read("an answer"))[0];
    },
    (answer) => transit.isMap(answer),
    "the backend",
  );
  // The backend answers with what it took, as text: whole values in their format.
  packed.send(arr(arr(mkw("nobody/listens")), str("cb-2")));
  assert.deepEqual(await packed.read("an answer"), [":chsk/error", "cb-2"]);
  zipped.write('[[:e2e.sente/echo {:big 12345678901234567890N}] "cb-3"]', true);
  assert.equal(await zipped.read("an answer"), '[{:big 12345678901234567890N} "cb-3"]');
});

await check("pushes", async () => {
  for (const to of ["in-transit", "in-verbose", "in-named", "in-msgpack", "in-gzip"]) {
    edn.send(`[[:e2e.sente/pass ["${to}" {:tags #{:a/b} :half 1/2 :list (1) :n nil}]] nil]`);
  }
  const want = map(kw("tags"), transit.set([kw("a/b")]), kw("half"), transit.tagged("ratio", [transit.bigInt("1"), transit.bigInt("2")]),
    kw("list"), transit.list([1]), kw("n"), null);
  for (const s of [plain, verbose, named]) same(await s.read("a push"), [[[kw("e2e/passed"), want]], null]);
  assert.deepEqual(await packed.read("a push"), [
    [[":e2e/passed", { ":tags": { ext: 4, hex: bytes(0x91, mkw("a/b")).toString("hex") }, ":half": { ext: 3, hex: "0102" }, ":list": [1], ":n": null }]],
    null,
  ]);
  assert.equal(await zipped.read("a push"), "[[[:e2e/passed {:tags #{:a/b} :half 1/2 :list (1) :n nil}]] nil]");
});

await check("channel", async () => {
  edn.send(`[[:sente-lite/subscribe {:channel-id "${room}"}] "sub"]`);
  assert.equal(await edn.next("an answer"), '[{:success true} "sub"]');
  for (const s of [plain, verbose, named]) {
    s.write([[kw("sente-lite/subscribe"), map(kw("channel-id"), room)], "sub"]);
    same(await s.read("an answer"), [map(kw("success"), true), "sub"]);
  }
  packed.send(arr(arr(mkw("sente-lite/subscribe"), obj(mkw("channel-id"), str(room))), str("sub")));
  assert.deepEqual(await packed.read("an answer"), [{ ":success": true }, "sub"]);
  zipped.write(`[[:sente-lite/subscribe {:channel-id "${room}"}] "sub"]`);
  assert.equal(await zipped.read("an answer"), '[{:success true} "sub"]');

  // From each to all: what is said in one format is heard in the others.
  const values = [
    () => edn.send(`[[:sente-lite/publish {:channel-id "${room}" :data {:from-a 1}}] nil]`),
    () => plain.write([[kw("sente-lite/publish"), map(kw("channel-id"), room, kw("data"), map(kw("from-a"), 2))], null]),
    () => verbose.write([[kw("sente-lite/publish"), map(kw("channel-id"), room, kw("data"), map(kw("from-a"), 3))], null]),
    () => packed.send(arr(arr(mkw("sente-lite/publish"), obj(mkw("channel-id"), str(room), mkw("data"), obj(mkw("from-a"), Buffer.from([4])))), nil)),
    () => zipped.write(`[[:sente-lite/publish {:channel-id "${room}" :data {:from-a 5}}] nil]`, true),
  ];
  for (const [i, publish] of values.entries()) {
    publish();
    for (const s of [plain, verbose, named]) {
      const [[[id, body]], cb] = await s.read("a message");
      same([id, body.get(kw("channel-id")), body.get(kw("data")), cb], [kw("sente-lite/channel-msg"), room, map(kw("from-a"), i + 1), null]);
      assert.match(body.get(kw("from")), /^conn-/);
    }
    const [[[id, body]]] = await packed.read("a message");
    assert.deepEqual([id, body[":channel-id"], body[":data"]], [":sente-lite/channel-msg", room, { ":from-a": i + 1 }]);
    for (const text of [await edn.next("a message"), await zipped.read("a message")]) {
      assert(text.includes(`:data {:from-a ${i + 1}}`), text);
    }
  }
});

await check("large-is-packed", async () => {
  const data = "x".repeat(5000);
  edn.send(`[[:e2e.sente/pass ["in-gzip" "${data}"]] nil]`);
  const b = await zipped.next("a push");
  assert.equal(b[0], 1);
  assert(b.length < 500, `${b.length} bytes`);
  assert.equal(gunzipSync(b.subarray(1)).toString(), `[[[:e2e/passed "${data}"]] nil]`);
});

await check("bad-input-dropped", async () => {
  packed.send(bytes(0x92, 0x91)); // ends too early
  packed.send("[[:chsk/ws-ping] nil]"); // text in a format of bytes
  zipped.send(bytes(1, Buffer.from("no gzip")));
  plain.send('[["~:e2e.sente/note",["^ ","~:a",1,"~:a",2]],null]');
  packed.send(arr(arr(mkw("chsk/ws-ping")), str("end")));
  assert.deepEqual(await packed.read("pong"), ["pong", "end"]);
  zipped.write('[[:chsk/ws-ping] "end"]');
  assert.equal(await zipped.read("pong"), '["pong" "end"]');
  plain.write([[kw("chsk/ws-ping")], "end"]);
  same(await plain.read("pong"), ["pong", "end"]);
});

for (const s of [edn, plain, verbose, named, packed, zipped]) s.ws.close();
console.log("done");
