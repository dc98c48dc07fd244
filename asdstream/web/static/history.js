/** What has happened, the latest first, as far back as one wants to read. */

import { happened, shapeOfEvent, title } from "./alarm_words.js";
import { say, sayOrHide, showShape, stamp } from "./elements.js";
import { keyedList } from "./keyed.js";
import { at } from "./moments.js";
import { get } from "./requests.js";

const PAGE = 20;
/** So many stay when further ones come by themselves: the page may be open for months. */
const KEPT = 200;
/** Two boxes may call different events alike. */
const keyOf = (event) => JSON.stringify([event.node, event.event_id]);

/** @param {(alarm: object) => void} open */
export function historyView(open) {
  const form = document.getElementById("history-filter");
  const more = document.getElementById("history-more");
  const none = document.getElementById("history-none");
  const show = keyedList(document.getElementById("history-list"), keyOf, () => eventView(open));
  let events = [];
  let arrived = [];
  let asked = 0;
  let fetching = false;

  const filter = () => Object.fromEntries(new FormData(form));

  async function fetchPage(before) {
    asked += 1;
    const mine = asked;
    arrived = [];
    fetching = true;
    try {
      const page = await get("/api/history", { ...filter(), before, limit: PAGE });
      if (mine !== asked) return;
      events = before ? [...events, ...page.events] : withArrived(page.events);
      more.hidden = !page.more;
      display(events.length ? "" : "Nothing has happened.");
    } catch (error) {
      if (mine === asked) display(`The history cannot be shown: ${error.message}`);
    } finally {
      if (mine === asked) fetching = false;
    }
  }

  /** What came over the stream while the page was on its way belongs to it. */
  function withArrived(page) {
    const known = new Set(page.map(keyOf));
    return [...arrived.filter((event) => !known.has(keyOf(event))), ...page];
  }

  function display(words) {
    show(events);
    sayOrHide(none, words);
  }

  more.addEventListener("click", () => fetching || fetchPage(events.at(-1)?.event_id));
  form.addEventListener("change", () => fetchPage());
  form.addEventListener("submit", (event) => event.preventDefault());

  return {
    refresh: () => fetchPage(),
    /** An event that has just come. */
    add(event) {
      if (events.some((one) => keyOf(one) === keyOf(event)) || !matches(event, filter())) return;
      const most = fetching ? Infinity : Math.max(KEPT, events.length);
      more.hidden &&= events.length < most;
      events = [event, ...events].slice(0, most);
      if (fetching) arrived = [event, ...arrived];
      display("");
    },
    /** The machines that one may choose. */
    offer(machines) {
      const select = form.elements.machine;
      const names = [...new Set(machines.map((machine) => machine.machine))].sort();
      if (select.dataset.names === JSON.stringify(names)) return;
      select.dataset.names = JSON.stringify(names);
      const chosen = select.value;
      select.replaceChildren(new Option("All", ""), ...names.map((name) => new Option(name, name)));
      select.value = names.includes(chosen) ? chosen : "";
      if (select.value !== chosen) fetchPage();
    },
  };
}

function matches(event, { machine, kind, transition }) {
  return (
    (!machine || event.alarm.machine === machine) &&
    (!kind || event.alarm.kind === kind) &&
    (!transition || event.transition === transition)
  );
}

function eventView(open) {
  const { root, part } = stamp("event");
  let current = null;
  part("open").addEventListener("click", () => open({ ...current.alarm, node: current.node }));
  return {
    root,
    update(event) {
      current = event;
      root.dataset.state = shapeOfEvent(event);
      showShape(part("shape"), shapeOfEvent(event));
      say(part("time"), at(event.ts));
      part("time").dateTime = event.ts;
      say(part("what"), event.actor ? `${happened(event.transition)} by ${event.actor}` : happened(event.transition));
      say(part("open"), title({ ...event.alarm, node: event.node }));
      say(part("reason"), event.note ?? (event.transition === "raised" ? event.alarm.reason : ""));
    },
  };
}
