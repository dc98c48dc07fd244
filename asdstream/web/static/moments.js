/** Times as people read them, by the clock of the server: that of a phone may be wrong. */

let offsetMs = 0;

const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const TIME_WITH_SECONDS = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY_AND_TIME = new Intl.DateTimeFormat("en-GB", {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
});

/** Tell what the server's clock says now. */
export function setClock(isoText) {
  const server = Date.parse(isoText);
  if (Number.isFinite(server)) offsetMs = server - Date.now();
}

/** Milliseconds since the epoch by the server's clock. */
export function now() {
  return Date.now() + offsetMs;
}

/** The time of day, with the day where that is not today. */
export function at(isoText) {
  const moment = Date.parse(isoText);
  if (!Number.isFinite(moment)) return "at an unknown time";
  const today = new Date(now()).toDateString() === new Date(moment).toDateString();
  return (today ? TIME : DAY_AND_TIME).format(moment);
}

/** The time of day to the second. */
export function toTheSecond(isoText) {
  const moment = Date.parse(isoText);
  return Number.isFinite(moment) ? TIME_WITH_SECONDS.format(moment) : "";
}

/** How long ago, in the largest unit that fits. */
export function ago(isoText) {
  const seconds = Math.max(0, (now() - Date.parse(isoText)) / 1000);
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  const days = Math.floor(seconds / 86400);
  return days === 1 ? "yesterday" : `${days} days ago`;
}

/** Keep `element` at the server's time of day. */
export function tick(element) {
  const show = () => {
    element.textContent = TIME.format(now());
    element.dateTime = new Date(now()).toISOString();
  };
  show();
  setInterval(show, 1000);
}
