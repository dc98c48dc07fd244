/** Brings the parts of the page together. */

import { followAlarm, followEvent, openAlarm } from "./alarm_dialogue.js";
import { alarmList } from "./alarm_list.js";
import { byAttention, happened, sentence, title } from "./alarm_words.js";
import { say, sayOrHide } from "./elements.js";
import { askToEnrol } from "./enrolment.js";
import { machinesOf } from "./fleet.js";
import { historyView } from "./history.js";
import { listen } from "./live.js";
import { at, setClock, tick } from "./moments.js";
import { announce } from "./notices.js";
import { fetchAgain, historyOf } from "./score_strips.js";
import { showSummary } from "./summary.js";
import { tileView } from "./tiles.js";
import { wallView } from "./wall.js";

const SCORES_EVERY_MS = 1_000;
const AGES_EVERY_MS = 30_000;

const find = (id) => document.getElementById(id);
let snapshot = null;
let linked = false;
let live = false;
let lostAt = null;
let scored = false;

const open = (alarm) => openAlarm(alarm, snapshot?.alarms ?? [], live);
const history = historyView(open);
const showAlarms = alarmList(find("alarm-list"), open);
const showTiles = tileView(find("nodes"), { open: openAlarmOf, enrol: askToEnrol });

function show() {
  scored = false;
  const link = find("link");
  link.dataset.link = live ? "live" : "lost";
  say(find("link-word"), live ? "Live" : "No connection");
  document.documentElement.classList.toggle("lost", !live);
  if (!snapshot) {
    showSummary([], [], lost());
    return;
  }
  const machines = machinesOf(snapshot, live);
  showSummary(machines, snapshot.alarms, live ? null : lost());
  showTiles(snapshot, machines, live);
  showAlarms(snapshot.alarms, live);
  followAlarm(snapshot.alarms, live);
  history.offer(machines);
  say(find("alarms-count"), snapshot.alarms.length ? String(snapshot.alarms.length) : "");
  say(find("machines-count"), machines.length ? String(machines.length) : "");
  sayOrHide(find("alarms-none"), noAlarms());
  sayOrHide(find("machines-none"), machines.length ? "" : "No box has said yet which machines it listens to.");
  sayOrHide(find("left-out"), snapshot.left_out ? `${snapshot.left_out} more are not shown: that is more than one page can hold.` : "");
}

function lost() {
  const unknown = "How the machines are is not known.";
  if (!snapshot) return `The dashboard does not answer. ${unknown}`;
  if (linked) return `The dashboard has lost the broker: ${snapshot.broker.problem ?? "no answer"}. ${unknown}`;
  return `Nothing has been heard since ${at(lostAt)}. ${unknown}`;
}

function noAlarms() {
  if (snapshot.alarms.length) return "";
  return live ? "No alarms." : "Not known: no connection.";
}

function openAlarmOf(machine) {
  const own = snapshot.alarms.filter((alarm) => alarm.node === machine.node && alarm.machine === machine.machine);
  const [first] = own.filter((alarm) => alarm.occurrence).sort(byAttention);
  if (first) open(first);
}

function setLive() {
  const now = linked && snapshot?.broker?.connected !== false;
  if (now !== live) {
    live = now;
    announce(now ? "Connected." : `No connection. ${lost()}`, !now);
    if (now) {
      history.refresh();
      fetchAgain();
    }
  }
  show();
}

listen({
  lost() {
    if (linked) lostAt = snapshot.now;
    linked = false;
    setLive();
  },
  fleet(news) {
    snapshot = news;
    linked = true;
    setClock(news.now);
    setLive();
  },
  score({ node, channel, score, threshold, at: atMs }) {
    if (score === null) return;
    // The snapshot comes anew only when something else has changed.
    const machines = snapshot?.machines.filter((machine) => machine.node === node) ?? [];
    const known = machines.flatMap((machine) => machine.channels).find((one) => one.channel === channel);
    if (!known) return;
    historyOf(node, channel).add(atMs, score);
    Object.assign(known, { score, threshold });
    scored = true;
  },
  alarm(event) {
    history.add(event);
    const alarm = { ...event.alarm, node: event.node };
    followEvent(alarm);
    const loud = ["raised", "realarmed"].includes(event.transition);
    const words = loud ? `Alarm: ${title(alarm)}. ${sentence(alarm)}` : `${happened(event.transition)}: ${title(alarm)}`;
    announce(words, loud);
  },
});
tick(find("clock"));
wallView(find("wall"));
setInterval(() => {
  if (scored) show();
}, SCORES_EVERY_MS);
// What is "a minute ago" changes while nothing else does.
setInterval(show, AGES_EVERY_MS);
