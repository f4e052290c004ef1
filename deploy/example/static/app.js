// A client of the sente-lite dialect in JSON, with nothing but a WebSocket. A node
// is known by its id, the last 12 characters of every conn-id of its connections.
"use strict";

const $ = (id) => document.getElementById(id);
const nodeOf = (connId) => (connId || "").slice(-12);
const silence = 75_000; // ms; nodes ping every 30 s
const keep = 100; // entries of a list

let name = "";
let ws = null;
let connId = "";
let attempts = 0; // since the last handshake
let seq = 0;
const waiting = new Map(); // callback -> resolve

// A tag for a node, of a colour that its id chooses.
function tag(connId) {
  const id = nodeOf(connId), el = document.createElement("span");
  el.className = "node";
  el.style.setProperty("--hue", parseInt(id.slice(-6), 16) % 360 || 0);
  el.textContent = id ? "node " + id.slice(0, 6) : "a backend";
  el.title = connId || "";
  return el;
}

function line(list, ...parts) {
  const li = document.createElement("li");
  for (const p of parts) li.append(p, " ");
  $(list).append(li);
  while ($(list).children.length > keep) $(list).firstChild.remove();
  $(list).scrollTop = $(list).scrollHeight;
}

function who(text) {
  const el = document.createElement("span");
  el.className = "who";
  el.textContent = text;
  return el;
}

const log = (...parts) => line("log", new Date().toLocaleTimeString(), ...parts);

function status(how, ...parts) {
  $("dot").className = "dot " + how;
  $("state").replaceChildren(...parts);
  for (const b of document.querySelectorAll("main button")) b.disabled = how !== "on";
}

const send = (value) => ws.send(JSON.stringify(value));

// An event that a backend answers: resolves with the answer, or with an error keyword.
function ask(id, data) {
  const cb = "cb-" + ++seq;
  return new Promise((resolve) => {
    waiting.set(cb, resolve);
    send([[id, data], cb]);
  });
}

async function connect() {
  status("wait", "connecting …");
  let token;
  try { // a new one each time, since they are short
    const r = await fetch("token", { method: "POST", body: JSON.stringify({ name }) });
    if (!r.ok) throw new Error((await r.text()).trim());
    ({ token, name } = await r.json());
  } catch (e) {
    return again("no token: " + e.message);
  }
  const url = new URL("ws?format=json", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const mine = (ws = new WebSocket(url, ["hoshi.json", "hoshi.token." + token]));
  let alive;
  const heard = () => {
    clearTimeout(alive);
    alive = setTimeout(() => mine.close(), silence);
  };
  heard();
  mine.onmessage = (m) => {
    heard();
    take(JSON.parse(m.data));
  };
  mine.onclose = (e) => {
    clearTimeout(alive);
    for (const resolve of waiting.values()) resolve({ error: "closed" });
    waiting.clear();
    if (connId) log(tag(connId), `closed with ${e.code}${e.reason ? " (" + e.reason + ")" : ""}`);
    connId = "";
    again(e.code === 1006 ? "connection lost" : `closed with ${e.code}`, e.code);
  };
}

// Comes back: at once where the node says that another will do (it stops, or the
// token has expired), else after a random time that grows with each failure.
function again(why, code) {
  const most = code === 1012 || code === 4401 ? 300 : Math.min(30_000, 1000 * 2 ** Math.min(attempts, 5));
  attempts++;
  status("wait", `${why}, coming back …`);
  setTimeout(connect, Math.random() * most);
}

function take(value) {
  if (typeof value[0] !== "string" || waiting.has(value[1])) { // an answer
    waiting.get(value[1])?.(value[0]);
    waiting.delete(value[1]);
    return;
  }
  const [id, data] = value;
  switch (id) {
    case "chsk/handshake":
      return opened(data);
    case "chsk/ws-ping":
      return send(["chsk/ws-pong"]);
    case "sente-lite/subscribed":
      if (!data.success) log(`no ${data["channel-id"]}: ${data.error}`);
      return;
    case "sente-lite/channel-msg":
      if (data["channel-id"] === "counter") return counted(data.data);
      // Whoever publishes there says what he likes; the connection is the node's word.
      return line("chat", tag(data.from), who(String(data.data?.name ?? "?")), String(data.data?.text ?? ""));
    case "example/welcome":
      return line("pushes", "a backend welcomes you on", tag(data.conn));
    case "example/whisper":
      return line("pushes", who(data.from), data.text);
  }
}

async function opened([uid, , info]) {
  attempts = 0;
  connId = info["conn-id"];
  status("on", who(uid), " on ", tag(connId));
  log(tag(connId), "connected");
  for (const channel of ["chat", "counter"]) send(["sente-lite/subscribe", { "channel-id": channel }]);
  const answer = await ask("example/count");
  if (answer.n !== undefined) $("count").textContent = answer.n;
}

function counted(c) {
  $("count").textContent = c.n;
  $("counted").replaceChildren("The last one was of ", who(c.by), " on ", tag(c.conn));
}

$("add").onclick = () => send(["example/add"]);

$("say").onsubmit = (e) => {
  e.preventDefault();
  if (!connId) return;
  send(["sente-lite/publish", { "channel-id": "chat", data: { name, text: e.target.text.value } }]);
  e.target.text.value = "";
};

$("whisper").onsubmit = async (e) => {
  e.preventDefault();
  if (!connId) return;
  const to = e.target.to.value.trim(), text = e.target.text.value;
  e.target.text.value = "";
  const answer = await ask("example/whisper", { to, text });
  $("whispered").textContent = answer.heard ? `${to} has been told.` : answer.heard === false ? `Nobody is here as ${to}.` : `It did not work: ${answer.error ?? answer}.`;
};

$("login").onsubmit = (e) => {
  e.preventDefault();
  name = $("name").value;
  $("login").hidden = true;
  $("main").hidden = false;
  connect();
};
