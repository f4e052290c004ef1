// Reads and writes Transit with the npm package transit-js, for transit_test.go.
//
//   transit.mjs rewrite              for each line {text, verbose}: {json, verbose}, what transit-js
//                                    writes of the value that it reads
//   transit.mjs generate SEED COUNT  values that transit-js makes: {json, verbose} on each line
//
// A text that transit-js fails on gives {error}.
import { createInterface } from "node:readline";
import transit from "transit-js";

const readers = { false: transit.reader("json"), true: transit.reader("json-verbose") };
const writers = { json: transit.writer("json"), verbose: transit.writer("json-verbose") };

function say(value) {
  console.log(JSON.stringify({ json: writers.json.write(value), verbose: writers.verbose.write(value) }));
}

async function rewrite() {
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      const { text, verbose } = JSON.parse(line);
      say(readers[verbose].read(text));
    } catch (e) {
      console.log(JSON.stringify({ error: String(e) }));
    }
  }
}

// random is the generator mulberry32: the same numbers for the same seed.
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function generate(seed, count) {
  const next = random(seed);
  const below = (n) => Math.floor(next() * n);
  const names = ["a", "b", "name", "user/name", "my.app/kind", "a-longer-name", "x?", "日本/語", "->y"];
  const strings = ["", "a", "name", "~a", "^0", "^ ", "`b", "~:name", "a longer text, \"quoted\"\n", "日本語 😀", "~#set"];
  const pick = (of) => of[below(of.length)];
  const scalar = () => {
    switch (below(16)) {
      case 0: return null;
      case 1: return below(2) === 0;
      case 2: return below(1000) - 500;
      case 3: return pick([9007199254740991, -9007199254740991, 4294967296, 0]);
      case 4: return below(1000) + 0.5;
      case 5: return pick([NaN, Infinity, -Infinity, 1e300, -5e-324]);
      case 6: return transit.integer(pick(["9007199254740993", "-9223372036854775808", "9223372036854775807"]));
      case 7: return transit.bigInt("123456789012345678901234567890" + below(10));
      case 8: return transit.bigDec(below(1000) + ".50");
      case 9: return transit.keyword(pick(names));
      case 10: return transit.symbol(pick(names));
      case 11: return new Date(below(4e12) - 1e12);
      case 12: return transit.uuid("5a2cbea3-e8c6-428b-b525-21239370dd" + (10 + below(90)));
      case 13: return transit.uri("http://example.com/" + below(100));
      case 14: return Buffer.from(String(below(1000)));
      default: return pick(strings);
    }
  };
  // What JavaScript takes for different keys, EDN may not: 1 and the bigInt 1, the URI and the string.
  const key = () => pick([() => transit.keyword(pick(names)), () => pick(strings), () => below(100), () => transit.symbol(pick(names)), () => null, () => true, () => below(9) + 0.5])();
  const value = (depth) => {
    if (depth === 0 || below(3) === 0) return scalar();
    const items = (of) => Array.from({ length: below(5) }, of);
    const entries = (of) => items(() => [of(), value(depth - 1)]).flat();
    switch (below(9)) {
      case 0: return transit.set(items(key));
      case 1: return transit.list(items(() => value(depth - 1)));
      case 2: return transit.map(entries(() => pick([key, () => transit.set([key()]), () => [key()]])()));
      case 3: return below(4) === 0 ? transit.tagged("X", pick(strings)) : transit.tagged(pick(["my.app/money", "point"]), value(depth - 1));
      case 4: return transit.link({ href: transit.uri("http://example.com/"), rel: pick(["a", "b"]) });
      case 5: return transit.tagged("ratio", [transit.bigInt(String(below(9))), transit.bigInt(String(1 + below(9)))]);
      case 6: return items(() => value(depth - 1));
      default: return transit.map(entries(key));
    }
  };
  for (let i = 0; i < count; i++) say(value(4));
}

switch (process.argv[2]) {
  case "rewrite":
    await rewrite();
    break;
  case "generate":
    generate(Number(process.argv[3]), Number(process.argv[4]));
    break;
  default:
    throw new Error(`unknown: ${process.argv[2]}`);
}
