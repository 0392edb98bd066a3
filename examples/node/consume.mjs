// A checked book out of JetStream. Usage: node consume.mjs URL STREAM SUBJECT STATE_FILE
//
//   node consume.mjs nats://HOST:4222 gw-prod-kraken-md gw.prod.kraken.md.market_by_price.BTC-USD btc.json
//
// The same as ../consume_jetstream.py, with the same state file. A number that may be money is text on the wire and
// stays text or a BigInt here: a JavaScript number would round it.

import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { argv, env } from "node:process";
import { crc32 } from "node:zlib";
import { DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const SAVE_EVERY = 100; // events, while more are waiting; else each is saved at once, and so is each change of `not_live`
const SIDES = ["bids", "asks"];
const NEW = { stream_sequence: 0, session_id: "", topic_sequence: 0, events: 0, not_live: "NO_SNAPSHOT", bids: [], asks: [] };

// "104.50" with 2 decimals is 10450n. More decimals than the instrument has can only be zeros.
function scaled(text, decimals) {
  const [head, tail = ""] = text.split(".");
  return BigInt(head + tail.padEnd(decimals, "0").slice(0, decimals));
}

// Take the next event of the subject. The book may be used while `not_live` is empty.
function apply(book, header, event) {
  const isSame = header.session_id === book.session_id;
  if (isSame && header.topic_sequence <= book.topic_sequence) return; // a stream filled again after a loss says things twice
  const isNext = isSame && header.topic_sequence === book.topic_sequence + 1;
  Object.assign(book, { session_id: header.session_id, topic_sequence: header.topic_sequence, events: book.events + 1 });
  if (event.update_type === "SNAPSHOT") {
    const { depth, price_decimals, quantity_decimals } = event;
    Object.assign(book, { not_live: "", bids: [], asks: [], depth, price_decimals, quantity_decimals });
  } else if (event.update_type === "STALE") book.not_live = event.reason;
  else if (!isNext && !book.not_live) book.not_live = "GAP"; // the stream no longer had what came between
  if (!book.not_live) book.not_live = change(book, event);
  if (book.not_live) Object.assign(book, { bids: [], asks: [] }); // until the next SNAPSHOT
}

// Last level of a price wins, quantity zero removes it, each side is cut to depth; returns what is wrong then.
function change(book, event) {
  const key = ([price]) => scaled(price, book.price_decimals);
  for (const side of SIDES) {
    const news = (event[side] ?? []).map(({ price, quantity }) => [price, quantity]);
    const levels = new Map([...book[side], ...news].map((level) => [key(level), level]));
    const prices = [...levels.keys()].sort((a, b) => (a < b ? -1 : 1));
    if (side === "bids") prices.reverse();
    const kept = prices.map((price) => levels.get(price)).filter(([, quantity]) => scaled(quantity, book.quantity_decimals));
    book[side] = kept.slice(0, book.depth ?? undefined);
  }
  if (event.checksum !== undefined && event.checksum !== checksum(book)) return "CHECKSUM";
  const { bids, asks } = book;
  return bids.length && asks.length && key(bids[0]) >= key(asks[0]) ? "CROSSED" : "";
}

// Kraken's rule (another venue has its own, or none): the ten best asks, then bids, each as a whole number.
function checksum({ bids, asks, price_decimals, quantity_decimals }) {
  const best = [...asks.slice(0, 10), ...bids.slice(0, 10)];
  return crc32(best.map(([price, quantity]) => `${scaled(price, price_decimals)}${scaled(quantity, quantity_decimals)}`).join(""));
}

// All or nothing, wherever the process ends; fsync is for the power.
function save(book, file) {
  const out = openSync(`${file}.new`, "w");
  writeSync(out, JSON.stringify(book));
  fsyncSync(out);
  closeSync(out);
  renameSync(`${file}.new`, file);
}

// Nanoseconds are above 2^53: their digits are kept as a BigInt.
function decode(text) {
  return JSON.parse(text, (key, value, context) => (key.endsWith("_ns") && context?.source ? BigInt(context.source) : value));
}

const [url, stream, subject, file] = argv.slice(2);
let book = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : structuredClone(NEW);
const user = env.NATS_USER; // a user may read his own inbox and no other's
const options = user ? { user, pass: env.NATS_PASSWORD, inboxPrefix: `_INBOX.${user}` } : {};
const connection = await connect({ servers: url, maxReconnectAttempts: -1, ...options });
const info = await (await jetstreamManager(connection, { checkAPI: false })).streams.info(stream);
if (info.state.last_seq < book.stream_sequence) book = structuredClone(NEW); // another stream by the same name
const start = { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: book.stream_sequence + 1, filter_subjects: [subject] };
const consumer = await jetstream(connection, { checkAPI: false }).consumers.get(stream, start);
for await (const message of await consumer.consume()) {
  if (message.seq <= book.stream_sequence) continue; // an ordered consumer that is made anew may start too early
  const { header, event } = decode(message.string());
  const before = book.not_live;
  apply(book, header, event);
  book.stream_sequence = message.seq;
  if (!message.info.pending || book.events % SAVE_EVERY === 0 || book.not_live !== before) {
    save(book, file);
    console.log(book.not_live || `bid ${book.bids[0]} ask ${book.asks[0]}`);
  }
}
