/** The one thing to be read from across the hall: is anything wrong. */

import { standing, title } from "./alarm_words.js";
import { say, showShape } from "./elements.js";
import { countStates } from "./fleet.js";
import { mostUrgent, WORDS } from "./states.js";

const ICONS = { alarm: "alarm", acknowledged: "alarm", trouble: "trouble", normal: "normal" };

/** @param {object[]} machines @param {object[]} alarms @param {string | null} lost Why nothing is known, if so. */
export function showSummary(machines, alarms, lost) {
  const counts = countStates(machines);
  const boxes = alarms.filter((alarm) => !alarm.machine && standing(alarm).state === "trouble");
  const state = lost ? "unknown" : mostUrgent([...counts.keys(), ...(boxes.length ? ["trouble"] : [])]);
  const section = document.getElementById("summary");
  section.dataset.state = state;
  showShape(section.querySelector("use"), state);
  const word = lost ? "No connection" : headline(state, machines, boxes);
  say(document.getElementById("summary-word"), word);
  say(document.getElementById("summary-more"), lost ?? others(state, counts));
  showOnTab(state, word);
}

function headline(state, machines, boxes) {
  const those = machines.filter((machine) => machine.state === state);
  if (state === "trouble" && those.length === 0) return title(boxes[0]);
  if (machines.length === 0) return "No machines";
  if (state === "normal") return machines.length === 1 ? "Normal" : `All ${machines.length} normal`;
  if (those.length === 1) return `${WORDS[state]}: ${those[0].machine}`;
  return `${those.length} ${state === "alarm" ? "alarms" : WORDS[state].toLowerCase()}`;
}

function others(state, counts) {
  const rest = Object.keys(WORDS).filter((one) => one !== state && counts.get(one));
  return rest.map((one) => `${counts.get(one)} ${WORDS[one].toLowerCase()}`).join(" · ");
}

function showOnTab(state, word) {
  const heading = state === "normal" ? "asdstream" : `${word} · asdstream`;
  if (document.title !== heading) document.title = heading;
  const icon = document.getElementById("icon");
  const address = `/static/icon-${ICONS[state] ?? "unknown"}.svg`;
  if (icon.getAttribute("href") !== address) icon.setAttribute("href", address);
}
