/** The wall view: larger, and without what only somebody at a desk needs. Kept for this browser. */

const KEY = "asdstream-wall";

/** @param {HTMLButtonElement} toggle */
export function wallView(toggle) {
  const show = (on) => {
    document.documentElement.classList.toggle("wall", on);
    toggle.setAttribute("aria-pressed", String(on));
  };
  show(recall() === "on");
  toggle.addEventListener("click", () => {
    const on = toggle.getAttribute("aria-pressed") !== "true";
    show(on);
    remember(on ? "on" : "off");
  });
}

function recall() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    // A browser that keeps nothing shows the usual view.
    return null;
  }
}

function remember(value) {
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // As above: it lasts until the page is left.
  }
}
