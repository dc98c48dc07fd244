/** An alarm in words: what it is about, how it stands, and which shape and colour go with that. */

import { ago, at } from "./moments.js";

const TITLES = {
  anomaly: (name) => `${name} sounds unusual`,
  source: (name) => `No sound from ${name}`,
  stalled: (name) => `Broken sound from ${name}`,
  unscored: (name) => `${name} is heard but not scored`,
  silent: (name) => `The input of ${name} is silent`,
  clipped: (name) => `${name} is too loud for its input`,
  overload: (name) => `${name} cannot keep up`,
  disk: (name) => `The disk of ${name} is nearly full`,
};

const HAPPENED = {
  raised: "Raised",
  updated: "Changed",
  cleared: "Over",
  suppressed: "Kept quiet",
  returned: "Gone, but kept",
  realarmed: "Again",
  acknowledged: "Acknowledged",
  reset: "Reset",
  shelved: "Shelved",
  unshelved: "No longer shelved",
  out_of_service: "Out of service",
  in_service: "Back in service",
  retired: "No longer watched",
};

const SHAPES = {
  raised: "alarm",
  updated: "alarm",
  realarmed: "alarm",
  acknowledged: "acknowledged",
  shelved: "shelved",
  suppressed: "shelved",
  out_of_service: "shelved",
};

/** What the alarm is about, as a heading. */
export function title(alarm) {
  const name = alarm.machine || alarm.node;
  return Object.hasOwn(TITLES, alarm.kind) ? TITLES[alarm.kind](name) : `${name}: ${alarm.kind}`;
}

/** What a transition is called. */
export function happened(transition) {
  return Object.hasOwn(HAPPENED, transition) ? HAPPENED[transition] : transition;
}

/** The shape of an event in the history. */
export function shapeOfEvent(event) {
  const shape = Object.hasOwn(SHAPES, event.transition) ? SHAPES[event.transition] : "over";
  return shape === "alarm" && event.alarm.kind !== "anomaly" ? "trouble" : shape;
}

/** Whether both are the same occurrence of the same alarm. */
export function sameAlarm(a, b) {
  return a.node === b.node && a.alarm_id === b.alarm_id && a.occurrence === b.occurrence;
}

/** How the alarm stands: the state whose shape and colour it has, and a few words. */
export function standing(alarm, live = true) {
  if (!live) return { state: "unknown", words: "Not known: no connection" };
  if (alarm.out_of_service) return { state: "shelved", words: `Out of service${by(alarm.out_of_service_by)}` };
  if (alarm.shelved) {
    return { state: "shelved", words: `Shelved until ${at(alarm.shelved_until)}${by(alarm.shelved_by)}` };
  }
  if (!alarm.active && alarm.condition === "unknown") return { state: "unknown", words: "Not known at present" };
  const seen = alarm.acknowledged;
  if (!alarm.active) return { state: "over", words: seen ? "Over" : "Over, not acknowledged" };
  if (seen) return { state: "acknowledged", words: `Acknowledged ${at(alarm.acknowledged_at)}${by(alarm.acknowledged_by)}` };
  const technical = alarm.kind !== "anomaly";
  return { state: technical ? "trouble" : "alarm", words: technical ? "Trouble" : "Alarm" };
}

/** Since when, and until when; of an alarm that stands no longer that may not be known. */
export function since(alarm, stands = true) {
  if (!alarm.raised_at) return "";
  const begun = at(alarm.raised_at);
  if (alarm.cleared_at) return `${begun} to ${at(alarm.cleared_at)}`;
  return stands ? `since ${begun}, ${ago(alarm.raised_at)}` : begun;
}

/** What a person should read first. */
export function sentence(alarm) {
  return capitalised(alarm.evidence?.sentence || alarm.reason);
}

/** Alarms in the order in which they want attention. */
export function byAttention(a, b) {
  return rank(a) - rank(b) || b.severity - a.severity || Date.parse(b.raised_at) - Date.parse(a.raised_at) || 0;
}

function rank(alarm) {
  const order = ["alarm", "trouble", "over", "acknowledged", "unknown", "shelved"];
  return order.indexOf(standing(alarm).state);
}

function by(actor) {
  return actor ? ` by ${actor}` : "";
}

/** With a capital letter at its beginning. */
export function capitalised(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : "";
}
