// Clients of every version of Sente, by hand: each writes as its version does and
// reads as strictly as it does. They are on three nodes, their backend on another.
import assert from "node:assert/strict";
import { check, kw, nodes, open, readForm, readOne, until, within } from "./wire.mjs";

const id = (name) => Math.random().toString(16).slice(2, 8) + name;

// [clj ?cb] of a frame, as each version's reader has it.
const prefixed = (text) => {
  // The first character goes, whatever it is; one form is read.
  const [form] = readForm(text.slice(1));
  return text[0] === "+" ? form : [form, null];
};
const either = (text) => ("+-".includes(text[0]) ? prefixed(text) : readOne(text));
const two = (text) => {
  const form = readOne(text);
  assert.equal(form.length, 2, `not two elements: ${text}`);
  return form;
};

const versions = [
  { name: "1.16", plus: "+", nil: "", read: prefixed, pings: false },
  { name: "1.17", plus: "+", nil: "", read: either, pings: false },
  { name: "1.18", plus: "", nil: "", read: either, pings: true },
  { name: "1.20", plus: "", nil: "", read: either, pings: true, pongs: true },
  { name: "1.21", plus: "", nil: " nil", read: two, pings: true, pongs: true },
];

// connect opens a client of a version and makes itself known by a first frame.
async function connect(v, node, uid, clientID = id(`-${v.name.slice(2)}`)) {
  const s = await open(`${nodes[node]}?client-id=${clientID}&uid=${uid}&csrf-token=tok`);
  s.clientID = clientID;
  s.write = (event, cb) => s.send(cb ? `${v.plus}[${event} "${cb}"]` : `${v.plus}[${event}${v.nil}]`);
  s.read = async (what) => {
    const text = await s.next(what);
    s.text = text;
    return v.read(text);
  };
  s.call = async (event) => {
    const cb = id("");
    s.write(event, cb);
    const [answer, to] = await s.read(`the answer to ${event}`);
    assert.equal(to, cb, s.text);
    return answer;
  };
  s.handshake = await s.read("the handshake");
  return s;
}

// A frame of a push or an answer has the form of the version's own. From 1.18 to
// 1.20 an event with a callback looks like one of 1.21, and both forms are read.
function ownForm(v, text, elements) {
  assert.equal(text[0] === "+", v.plus === "+", text);
  const { length } = readOne(text.slice(v.plus.length));
  const right = v.plus ? [elements] : v.nil ? [2] : [elements, 2];
  assert(right.includes(length), text);
}

// Those who only listen: after their first frame they are silent.
const began = Date.now();
const silent = await Promise.all(
  versions.map(async (v, k) => {
    const s = await connect(v, k % 3, `silent-${k}`);
    s.write("[:e2e.silent/first]");
    return { v, s };
  }),
);

for (const [k, v] of versions.entries()) {
  const node = k % 3;
  const uid = `user-${k}`;
  const s = await connect(v, node, uid);
  await check(`${v.name}-handshake`, () => {
    const [[event, [who, csrf, info]], cb] = s.handshake;
    assert.deepEqual([event, who, csrf, cb], [kw("chsk/handshake"), uid, null, null]);
    assert.match(info[":conn-id"], /^conn-[0-9a-f-]{36}$/);
  });
  await check(`${v.name}-callback`, async () => {
    await until(() => s.call("[:e2e.sente/echo 1]"), (a) => a === 1, "the backend");
    ownForm(v, s.text, 2);
    assert.deepEqual(await s.call('[:e2e.sente/echo {:a ["x" nil]}]'), { ":a": ["x", null] });
    assert.equal(await s.call("[:e2e.sente/echo nil]"), null);
    assert.equal(await s.call("[:e2e.sente/refuse]"), kw("e2e/refused"));
    assert.equal(await s.call("[:e2e.nobody/listens 1]"), kw("chsk/error"));
  });
  await check(`${v.name}-event`, async () => {
    s.write(`[:e2e.sente/note ${k}]`);
    s.write("[:e2e.sente/note]");
    s.write(`[:no-namespace ${k}]`);
    const want = [[kw("e2e.sente/note"), k], [kw("e2e.sente/note")], [kw("chsk/bad-event"), [kw("no-namespace"), k]]];
    const heard = await until(() => s.call("[:e2e.sente/heard]"), (h) => h.length >= 3 * (k + 1), "what was heard");
    assert.deepEqual(heard.slice(3 * k), want);
  });
  await check(`${v.name}-push`, async () => {
    s.write(`[:e2e.sente/pass ["${uid}" {:to ${k}}]]`);
    const [push] = await s.read("a push");
    assert.deepEqual(push, [[kw("e2e/passed"), { ":to": k }]]);
    ownForm(v, s.text, 1);
    s.write("[:e2e.sente/count {:n 50, :gap 0}]");
    const got = [];
    while (got.length < 50) {
      const [events, cb] = await s.read("numbers");
      assert(cb == null, s.text);
      ownForm(v, s.text, 1);
      got.push(...events);
    }
    assert.deepEqual(got, Array.from({ length: 50 }, (_, i) => [kw("e2e/number"), i]));
  });
  await check(`${v.name}-ping`, async () => {
    if (v.pings) assert.equal(await s.call("[:chsk/ws-ping]"), "pong");
    else s.write("[:chsk/ws-ping]"); // expects nothing: the next answer is to something else
    assert.equal(await s.call("[:e2e.sente/echo 2]"), 2);
  });
  await check(`${v.name}-channel`, async () => {
    assert.deepEqual(await s.call('[:sente-lite/subscribe {:channel-id "versions"}]'), { ":success": true });
    s.write(`[:sente-lite/publish {:channel-id "versions" :data ${k}}]`);
    const [push] = await s.read("a message");
    assert.deepEqual(push, [
      [kw("sente-lite/channel-msg"), { ":channel-id": "versions", ":data": k, ":from": s.handshake[0][1][2][":conn-id"] }],
    ]);
    ownForm(v, s.text, 1);
    assert.deepEqual(await s.call('[:sente-lite/unsubscribe {:channel-id "versions"}]'), { ":success": true });
  });
  await check(`${v.name}-newest-socket`, async () => {
    const newer = await connect(v, (node + 1) % 3, uid, s.clientID);
    assert.equal(await within(s.closed, "the older is closed"), 1000);
    assert.equal(await newer.call("[:e2e.sente/echo 3]"), 3);
    newer.write(`[:e2e.sente/tab ["${s.clientID}" 4]]`);
    assert.deepEqual((await newer.read("a push to the tab"))[0], [[kw("e2e/passed"), 4]]);
    newer.ws.close(1000, "CLOSE_NORMAL");
    assert.equal(await within(newer.closed, "its end"), 1000);
  });
  await check(`${v.name}-close`, async () => {
    const broken = await connect(v, node, uid);
    broken.ws.close(3000, "CLOSE_ABNORMAL");
    assert.equal(await within(broken.closed, "its end"), 3000);
    const told = await connect(v, (node + 2) % 3, uid);
    told.write("[:e2e.sente/close]");
    assert.equal(await within(told.closed, "the end that the backend asks for"), 1000);
  });
}

await check("grace", async () => {
  const v = versions.at(-1);
  const tab = await connect(v, 0, "graceful");
  const other = await connect(v, 1, "other");
  tab.ws.close(1000);
  await tab.closed;
  assert.equal(await other.call('[:e2e.sente/pass ["graceful" 1]]'), true);
  assert.equal(await other.call(`[:e2e.sente/tab ["${tab.clientID}" 2]]`), true);
  const back = await connect(v, 2, "graceful", tab.clientID);
  const got = [];
  while (got.length < 2) got.push(...(await back.read("what was pushed meanwhile"))[0]);
  assert.deepEqual(got.map(([, n]) => n), [1, 2]);
  for (const s of [back, other]) s.ws.close();
});

await check("server-pings", async () => {
  await Promise.all(
    silent.map(async ({ v, s }) => {
      const { data, at } = await s.nextFrame("a ping of the node");
      assert.deepEqual(v.read(data)[0], kw("chsk/ws-ping"), data);
      ownForm(v, data, 1);
      // As real clients: an answer, or a ping of their own.
      s.write(v.pongs ? "[:chsk/ws-pong]" : "[:chsk/ws-ping]");
      assert(at - began > 11_000 && at - began < 18_000, `${v.name}: a ping after ${at - began} ms`);
    }),
  );
});
// The channel is alive and nothing else has come.
await check("silence", async () => {
  for (const { v, s } of silent) {
    s.write("[:e2e.sente/echo 9]", "last");
    assert.deepEqual(v.read(await s.next("an answer")), [9, "last"]);
    s.ws.close();
  }
});
console.log("done");
