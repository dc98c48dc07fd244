/** Short messages: seen in a corner, and said by a screen reader. */

import { button } from "./elements.js";

const SHOWN_MS = 8_000;
const AT_MOST = 4;
const places = ["notices", "said", "said-at-once"].map((id) => document.getElementById(id));

for (const dialog of document.querySelectorAll("dialog")) dialog.addEventListener("close", comeForward);

/** What lies behind a dialogue that is open is neither seen nor said. */
function comeForward() {
  const front = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
  if (places[0].parentElement !== front) front.append(...places);
}

/** Say something that nobody must miss a word of what they are doing for. */
export function announce(text, atOnce = false) {
  comeForward();
  const region = document.getElementById(atOnce ? "said-at-once" : "said");
  // The same sentence a second time would be no change, and would not be said.
  region.textContent = "";
  requestAnimationFrame(() => {
    region.textContent = text;
  });
}

/** Show and say `text`; what went wrong stays until it is closed. */
export function notice(text, kind = "good") {
  comeForward();
  const list = document.getElementById("notices");
  const item = document.createElement("li");
  item.className = `notice ${kind}`;
  const words = document.createElement("span");
  words.textContent = text;
  const close = button("×", "close", () => item.remove());
  close.setAttribute("aria-label", "Close this notice");
  item.append(words, close);
  list.append(item);
  while (list.children.length > AT_MOST) list.firstElementChild.remove();
  if (kind === "good") setTimeout(() => item.remove(), SHOWN_MS);
  announce(text, kind === "bad");
}
