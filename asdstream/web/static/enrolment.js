/** Has the sound of a machine learnt as normal: asked for twice, as it changes what raises an alarm. */

import { openDialogue } from "./dialogues.js";
import { notice } from "./notices.js";
import { command } from "./requests.js";

const AFTERWARDS_MS = 90_000;

/** Say what it means, ask how much, and have `machine` enrolled. */
export function askToEnrol(machine) {
  const dialog = document.getElementById("enrol-dialogue");
  const form = dialog.querySelector("form");
  form.reset();
  document.getElementById("enrol-heading").textContent = `Learn the sound of ${machine.machine} as normal`;
  const sure = form.querySelector('[data-part="sure"]');
  sure.textContent = `${machine.machine} runs as it should, and will until this is done`;
  dialog.addEventListener("close", () => dialog.returnValue === "enrol" && enrol(machine, new FormData(form)), {
    once: true,
  });
  openDialogue(dialog);
}

async function enrol({ node, machine }, answers) {
  const seconds = Number(answers.get("seconds"));
  const args = { machine, seconds, force: answers.get("force") !== null };
  notice(`${machine} is being listened to for ${inWords(seconds)}.`);
  try {
    const made = await command(node, "enroll", args, seconds * 1000 + AFTERWARDS_MS);
    const count = made?.references;
    notice(`The sound of ${machine} is learnt as normal${count ? `; it has ${count} ${count === 1 ? "reference" : "references"} now` : ""}.`);
  } catch (error) {
    notice(`Nothing was learnt of ${machine}: ${error.message}`, "bad");
  }
}

function inWords(seconds) {
  if (seconds < 60) return `${seconds} seconds`;
  return seconds === 60 ? "a minute" : `${seconds / 60} minutes`;
}
