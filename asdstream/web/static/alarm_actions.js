/** The buttons of an alarm: only those that make sense as it stands. */

import { button } from "./elements.js";
import { command } from "./requests.js";
import { notice } from "./notices.js";
import { title } from "./alarm_words.js";
import { askToShelve } from "./shelving.js";

/**
 * Put the buttons into `parent`. They stay the same elements as long as the same ones make sense, so that focus stays.
 * @param {{open?: (alarm: object) => void}} also
 * @returns {(alarm: object, live: boolean) => void}
 */
export function alarmActions(parent, also = {}) {
  let current = null;
  let offered = null;
  const buttons = {
    open: ["Open", "plain", () => also.open(current)],
    ack: ["Acknowledge", "loud", () => act("ack", "Acknowledged")],
    reset: ["Reset", "plain", () => act("reset", "Reset")],
    shelve: ["Shelve …", "plain", () => askToShelve(current)],
    unshelve: ["Unshelve", "plain", () => act("unshelve", "No longer shelved")],
  };

  async function act(verb, done) {
    if (parent.getAttribute("aria-busy") === "true") return;
    const alarm = current;
    // Buttons that are disabled would lose the focus.
    parent.setAttribute("aria-busy", "true");
    try {
      await command(alarm.node, verb, { alarm_id: alarm.alarm_id });
      notice(`${done}: ${title(alarm)}`);
    } catch (error) {
      notice(`Not done: ${error.message}`, "bad");
    } finally {
      parent.removeAttribute("aria-busy");
    }
  }

  return (alarm, live) => {
    current = alarm;
    const wanted = Object.keys(buttons).filter((name) => makesSense(name, alarm, live, also));
    if (wanted.join() === offered) return;
    const focused = parent.contains(document.activeElement);
    offered = wanted.join();
    parent.replaceChildren(...wanted.map((name) => {
      const made = button(...buttons[name]);
      made.dataset.verb = name;
      return made;
    }));
    if (focused) parent.firstElementChild?.focus();
    parent.hidden = wanted.length === 0;
  };
}

function makesSense(name, alarm, live, also) {
  if (name === "open") return Boolean(also.open);
  if (!live) return false;
  const quiet = alarm.shelved || alarm.out_of_service;
  if (name === "ack") return Boolean(alarm.occurrence) && !alarm.acknowledged && !alarm.suppressed && !quiet;
  if (name === "reset") return alarm.latched && alarm.active;
  if (name === "shelve") return !quiet;
  return alarm.shelved;
}
