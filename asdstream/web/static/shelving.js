/** Puts an alarm aside for a time. */

import { title } from "./alarm_words.js";
import { openDialogue } from "./dialogues.js";
import { notice } from "./notices.js";
import { command } from "./requests.js";

/** Ask for how long, and shelve `alarm`. */
export function askToShelve(alarm) {
  const dialog = document.getElementById("shelve-dialogue");
  const form = dialog.querySelector("form");
  form.reset();
  document.getElementById("shelve-heading").textContent = `Shelve: ${title(alarm)}`;
  dialog.addEventListener("close", () => dialog.returnValue === "shelve" && shelve(alarm, new FormData(form)), {
    once: true,
  });
  openDialogue(dialog);
}

async function shelve(alarm, answers) {
  const args = {
    alarm_id: alarm.alarm_id,
    seconds: Number(answers.get("seconds")),
    once: answers.get("once") !== null,
  };
  try {
    await command(alarm.node, "shelve", args);
    notice(`Shelved: ${title(alarm)}`);
  } catch (error) {
    notice(`Not shelved: ${error.message}`, "bad");
  }
}
