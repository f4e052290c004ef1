// Looks at the page of the example as a person does: three windows, on three nodes.
// Says "ready" when they have heard each other, then waits until one of them has been
// closed with 1012 and is back, and ends. With SHOTS it leaves pictures there.
//
// usage: node page.mjs MODULES CHROMIUM URL [SHOTS]
import { createRequire } from "node:module";

const [modules, executablePath, url, shots] = process.argv.slice(2);
const { chromium } = createRequire(modules + "/")("playwright-core");
const browser = await chromium.launch({
  executablePath,
  args: [
    // The kernel's sandbox is not to be had as root.
    ...(process.getuid() === 0 ? ["--no-sandbox"] : []),
    "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
  ],
});
const fail = (why) => {
  console.log("FAIL " + why);
  process.exit(1);
};
const patience = { timeout: 60_000 };

// The networks of the containers have come up a moment ago, which Chromium hears of two
// seconds later: it then gives up what it is just connecting to, as on a laptop that moves,
// and a page of its own that says so may come after the next attempt has begun.
const changed = /ERR_NETWORK_CHANGED|chrome-error:/;
const open = async (page) => {
  for (let tries = 1; ; tries++) {
    try {
      return await page.goto(url);
    } catch (e) {
      if (!changed.test(e.message) || tries === 20) throw e;
    }
  }
};

const names = ["alice", "bob", "carol"];
const pages = [];
for (const name of names) {
  const page = await (await browser.newContext({ viewport: { width: 900, height: 900 }, ...(name === "bob" ? { colorScheme: "dark" } : {}) })).newPage();
  page.on("pageerror", (e) => fail(`${name}: ${e.stack}`));
  // What the policy of the page forbids is told here, too.
  page.on("console", (m) => m.type() === "error" && !changed.test(m.text()) && fail(`${name}: ${m.text()}`));
  await open(page);
  if (shots && name === "alice") await page.screenshot({ path: `${shots}/login.png` });
  await page.fill("#name", name);
  await page.click("#login button");
  await page.waitForSelector("#dot.on", patience);
  pages.push(page);
}
const [alice, bob, carol] = pages;
const nodes = new Set();
for (const page of pages) nodes.add(await page.getAttribute("#state .node", "title").then((id) => id.slice(-12)));
if (nodes.size !== 3) fail(`three windows on ${nodes.size} nodes`);

const has = (page, selector, text) => page.waitForSelector(`${selector}:has-text("${text}")`, patience);
await alice.fill("#say input", "hello over nodes");
await alice.click("#say button");
for (const page of pages) await has(page, "#chat li", "hello over nodes");
await bob.click("#add");
for (const page of pages) await has(page, "#counted", "bob");
await carol.fill("#whisper input[name=to]", "alice");
await carol.fill("#whisper input[name=text]", "psst");
await carol.click("#whisper button");
await has(carol, "#whispered", "alice has been told");
await has(alice, "#pushes li", "psst");
await has(alice, "#pushes li", "welcomes you");
await carol.fill("#whisper input[name=to]", "nobody");
await carol.fill("#whisper input[name=text]", "psst");
await carol.click("#whisper button");
await has(carol, "#whispered", "Nobody is here");
if (shots) for (const [i, page] of pages.entries()) await page.screenshot({ path: `${shots}/${names[i]}.png`, fullPage: true });
console.log("ready");

// One of the nodes is drained now.
const moved = await Promise.any(pages.map(async (page) => {
  await has(page, "#log li", "closed with 1012");
  return page;
}));
await moved.waitForSelector("#dot.on", patience);
await moved.fill("#say input", "here again");
await moved.click("#say button");
for (const page of pages) await has(page, "#chat li", "here again");
if (shots) await moved.screenshot({ path: `${shots}/moved.png`, fullPage: true });
console.log("moved");
await browser.close();
