// What the clients of the tests of Sente in plain JavaScript share: a socket
// whose frames are read one by one, a reader of the EDN that they hear, and
// checks as e2e_test.go takes them.
import assert from "node:assert/strict";
import WebSocket from "ws";

export const settings = JSON.parse(process.env.E2E_SETTINGS);
export const nodes = settings.nodes.map((url) => url.replace(/\/ws$/, "/chsk"));
const patience = 20_000;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${patience} ms`)), patience);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export async function check(name, fn) {
  try {
    await fn();
    console.log(`ok ${name}`);
  } catch (e) {
    console.log(`FAIL ${name} ${String(e.stack).replaceAll("\n", " | ")}`);
  }
}

// open returns a socket. next gives what came next, a string or a Buffer; what
// the socket ended with is in closed.
export async function open(url, protocols = []) {
  const ws = new WebSocket(url, protocols);
  const frames = [];
  const waiting = [];
  const s = { ws, frames, send: (v) => ws.send(v) };
  ws.on("message", (m, binary) => {
    const frame = { data: binary ? m : m.toString(), at: Date.now() };
    if (waiting.length > 0) waiting.shift()(frame);
    else frames.push(frame);
  });
  s.closed = new Promise((resolve) => ws.on("close", (code) => resolve(code)));
  s.nextFrame = (what = "a frame") =>
    within(frames.length > 0 ? Promise.resolve(frames.shift()) : new Promise((r) => waiting.push(r)), what);
  s.next = async (what) => (await s.nextFrame(what)).data;
  await within(new Promise((resolve, reject) => ws.once("open", resolve).once("error", reject)), "open");
  return s;
}

// until asks again until the answer is good: for a foreign backend's interest
// on its way to another server.
export async function until(ask, good, what) {
  const end = Date.now() + patience;
  for (;;) {
    const answer = await ask();
    if (good(answer)) return answer;
    assert(Date.now() < end, `waited in vain for ${what}: ${JSON.stringify(answer)}`);
    await sleep(25);
  }
}

export const kw = (name) => Symbol.for(`:${name}`);

// readForm reads one form of the EDN that the tests use, and says where it ends.
export function readForm(text, at = 0) {
  const skip = () => {
    while (/[\s,]/.test(text[at] ?? "x")) at++;
  };
  const items = (close) => {
    const found = [];
    for (skip(); text[at] !== close; skip()) {
      assert(at < text.length, `no ${close} in ${text}`);
      found.push(form());
    }
    at++;
    return found;
  };
  const form = () => {
    skip();
    switch (text[at]) {
      case "[":
        at++;
        return items("]");
      case "{": {
        at++;
        const all = items("}");
        return Object.fromEntries(all.flatMap((k, i) => (i % 2 === 0 ? [[String(k.description ?? k), all[i + 1]]] : [])));
      }
      case '"': {
        const [quoted] = /^"(?:[^"\\]|\\.)*"/s.exec(text.slice(at));
        at += quoted.length;
        return JSON.parse(quoted);
      }
      default: {
        const [token] = /^[^\s,[\]{}()"]+/.exec(text.slice(at)) ?? assert.fail(`cannot read ${text} at ${at}`);
        at += token.length;
        if (token[0] === ":") return kw(token.slice(1));
        if (token === "nil") return null;
        if (token === "true" || token === "false") return token === "true";
        assert(/^-?\d+(\.\d+)?$/.test(token), `cannot read ${token}`);
        return Number(token);
      }
    }
  };
  return [form(), at];
}

// readOne reads a text that holds one form and nothing more.
export function readOne(text) {
  const [form, end] = readForm(text);
  assert.equal(text.slice(end).trim(), "", `more than one form in ${text}`);
  return form;
}
