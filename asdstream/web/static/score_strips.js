/** Keeps the scores of every channel: the last hour is fetched when its strip comes into sight, then they come live. */

import { ScoreHistory } from "./score_history.js";
import { get } from "./requests.js";

const AT_ONCE = 3;
const AGAIN_MS = 15_000;

const histories = new Map();
const nameOf = (node, channel) => JSON.stringify([node, channel]);
const waiting = [];
const visible = new Map();
let running = 0;

const sight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const strip = visible.get(entry.target);
    if (!strip) continue;
    strip.seen = entry.isIntersecting;
    if (strip.seen) {
      fetchOnce(strip);
      strip.draw();
    }
  }
}, { rootMargin: "200px" });

/** The scores of a channel, which are the same for whoever asks. */
export function historyOf(node, channel) {
  const key = nameOf(node, channel);
  if (!histories.has(key)) histories.set(key, new ScoreHistory());
  return histories.get(key);
}

/**
 * Draw while `element` is in sight.
 * @returns {{redraw: () => void, end: () => void}}
 */
export function watchStrip(element, node, channel, draw) {
  const strip = { node, channel, draw, seen: false, asked: false, ended: false };
  visible.set(element, strip);
  sight.observe(element);
  return {
    redraw: () => strip.seen && draw(),
    end: () => {
      sight.unobserve(element);
      visible.delete(element);
      histories.delete(nameOf(node, channel));
      strip.seen = false;
      strip.ended = true;
    },
  };
}

/** Fetch again whatever is shown: while there was no connection, scores have been missed. */
export function fetchAgain() {
  for (const strip of visible.values()) {
    strip.asked = false;
    if (strip.seen) fetchOnce(strip);
  }
}

function fetchOnce(strip) {
  if (strip.asked) return;
  strip.asked = true;
  waiting.push(strip);
  work();
}

async function work() {
  if (running >= AT_ONCE || waiting.length === 0) return;
  running += 1;
  const strip = waiting.shift();
  try {
    const { points } = await get("/api/scores", { node: strip.node, channel: strip.channel });
    if (strip.ended) return;
    const history = historyOf(strip.node, strip.channel);
    for (const [atMs, score] of points) history.add(atMs, score);
    if (strip.seen) strip.draw();
  } catch {
    setTimeout(() => {
      strip.asked = false;
      if (strip.seen) fetchOnce(strip);
    }, AGAIN_MS);
  } finally {
    running -= 1;
    work();
  }
}
