// Opens a page in Chromium and passes on what it says on its console.
//
// usage: node run.mjs CHROMIUM URL
import { chromium } from "playwright-core";

const [executablePath, url] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath,
  args: [
    // The kernel's sandbox is not to be had as root.
    ...(process.getuid() === 0 ? ["--no-sandbox"] : []),
    "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
  ],
});
const page = await browser.newPage();
const finished = new Promise((resolve) => {
  page.on("console", (m) => {
    console.log(m.text());
    if (m.text() === "done") resolve();
  });
  page.on("pageerror", (e) => {
    console.log(`FAIL page ${String(e.stack).replaceAll("\n", " | ")}`);
    resolve();
  });
  page.on("crash", () => {
    console.log("FAIL page crashed");
    resolve();
  });
});
await page.goto(url);
await finished;
await browser.close();
