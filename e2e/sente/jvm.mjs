// Relays what Clojure on the JVM prints: a client on one node sends it as it stands,
// in events and on a channel; one on another node hears it, and what it heard goes
// back to the JVM (jvm.clj), frame by frame.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { check, nodes, open, readOne, until, within } from "./wire.mjs";

const jvm = spawn("clojure", ["sente/jvm.clj"], { stdio: ["pipe", "pipe", "inherit"] });
const ended = new Promise((resolve, reject) => jvm.on("exit", resolve).on("error", reject));

// Lines end with \n alone: strings hold other ends of lines.
const lines = [];
const waiting = [];
let partial = "";
jvm.stdout.setEncoding("utf8");
jvm.stdout.on("data", (chunk) => {
  const parts = (partial + chunk).split("\n");
  partial = parts.pop();
  for (const line of parts) {
    if (waiting.length > 0) waiting.shift()(line);
    else lines.push(line);
  }
});
const line = () => within(lines.length > 0 ? Promise.resolve(lines.shift()) : new Promise((r) => waiting.push(r)), "a line of the JVM");

const sender = await open(`${nodes[0]}?client-id=jvm-sender&uid=jvm-sender`);
const receiver = await open(`${nodes[2]}?client-id=jvm-receiver&uid=jvm-receiver`);
for (const s of [sender, receiver]) assert.match(await s.next(), /^\[\[:chsk\/handshake /);
await until(
  async () => {
    sender.send('[[:e2e.sente/echo 1] "up"]');
    return readOne(await sender.next())[0];
  },
  (answer) => answer === 1,
  "the backend",
);
receiver.send('[[:sente-lite/subscribe {:channel-id "jvm"}] "sub"]');
assert.equal(await receiver.next(), '[{:success true} "sub"]');

let values = 0;
for (let v = await line(); v !== "end"; v = await line()) {
  values++;
  sender.send(`[[:e2e.sente/pass ["jvm-receiver" ${v}]] nil]`);
  sender.send(`[[:sente-lite/publish {:channel-id "jvm" :data ${v}}] nil]`);
}
// Both ways keep their order, so what ends each comes last.
sender.send('[[:e2e.sente/pass ["jvm-receiver" :e2e/last]] nil]');
sender.send('[[:sente-lite/publish {:channel-id "jvm" :data :e2e/last}] nil]');
let unended = 2;
while (unended > 0) {
  let frame = await receiver.next("a frame for the JVM");
  for (const last of [/ ?\[:e2e\/passed :e2e\/last\]/, / ?\[:sente-lite\/channel-msg \{:channel-id "jvm", :data :e2e\/last, :from "[^"]*"\}\]/]) {
    if (last.test(frame)) {
      frame = frame.replace(last, "");
      unended--;
    }
  }
  jvm.stdin.write(`${frame}\n`);
}
jvm.stdin.write("end\n");
for (let k = 0; k < 3; k++) console.log(await line());
await check("jvm-many-values", () => assert(values >= 90, `${values}`));
await check("jvm-ends", async () => assert.equal(await within(ended, "the end of the JVM"), 0));
for (const s of [sender, receiver]) s.ws.close();
console.log("done");
