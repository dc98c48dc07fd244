/** The stream of news from the server, and whether it can be relied on. */

import { get } from "./requests.js";

/** The server lets hear from itself every five seconds. */
const SILENT_AFTER_MS = 12_000;
const CHECK_EVERY_MS = 2_000;
const ASK_WITHIN_MS = 5_000;
const LONGEST_WAIT_MS = 15_000;

/**
 * Listen until the page is left. A stream that says nothing is dead, though nobody may have closed it: a computer that
 * slept, a network that forgot the connection.
 * @param {{fleet: Function, score: Function, alarm: Function, lost: () => void}} hear What the server tells, and that it
 *   is gone; it is back with the next `fleet`.
 */
export function listen(hear) {
  let source = null;
  let heardAt = performance.now();
  let failures = 0;
  let retry = null;

  const heard = () => {
    heardAt = performance.now();
    failures = 0;
  };
  const told = (name) => (event) => {
    heard();
    hear[name](JSON.parse(event.data));
  };

  function connect() {
    clearTimeout(retry);
    retry = null;
    heardAt = performance.now();
    source?.close();
    source = new EventSource("/events");
    for (const name of ["fleet", "score", "alarm"]) source.addEventListener(name, told(name));
    source.addEventListener("beat", heard);
    source.addEventListener("error", lost);
  }

  function lost() {
    source.close();
    hear.lost();
    // Many screens that lost the same server shall not all come back at the same moment.
    const wait = Math.min(LONGEST_WAIT_MS, 500 * 2 ** failures) * (0.5 + Math.random() / 2);
    failures += 1;
    clearTimeout(retry);
    retry = setTimeout(comeBack, wait);
  }

  /** A stream does not say why it was refused; a question does, and one who is no longer signed in is sent to do so. */
  function comeBack() {
    get("/api/fleet", {}, ASK_WITHIN_MS).then(connect, lost);
  }

  function check() {
    if (!retry && performance.now() - heardAt > SILENT_AFTER_MS) lost();
  }

  connect();
  setInterval(check, CHECK_EVERY_MS);
  addEventListener("online", () => retry && connect());
  addEventListener("offline", lost);
  // A page that comes back from the browser's cache shows what was hours ago.
  addEventListener("pageshow", (event) => event.persisted && connect());
}
