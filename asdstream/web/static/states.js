/** The states of a channel: the word, and by its name the shape and the colour. */

export const WORDS = {
  alarm: "Alarm",
  acknowledged: "Acknowledged",
  trouble: "Trouble",
  offline: "Offline",
  stale: "No news",
  unknown: "Unknown",
  shelved: "Shelved",
  learning: "Learning",
  normal: "Normal",
};

const BY_URGENCY = Object.keys(WORDS);

/** The state of a channel as it may be shown: one that this page does not know is no reason to call it normal. */
export function knownState(state) {
  return Object.hasOwn(WORDS, state) ? state : "unknown";
}

/** The most urgent of several states; of none, "unknown". */
export function mostUrgent(states) {
  return BY_URGENCY.find((state) => states.includes(state)) ?? "unknown";
}
