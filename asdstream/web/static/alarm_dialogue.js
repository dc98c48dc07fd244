/** An alarm opened: what it says, how it sounds, and what has changed at which frequency and when. */

import { alarmActions } from "./alarm_actions.js";
import { sameAlarm, sentence, since, standing, title } from "./alarm_words.js";
import { openDialogue } from "./dialogues.js";
import { parts, say, sayOrHide, showShape } from "./elements.js";
import { band } from "./frequencies.js";
import { at, now, toTheSecond } from "./moments.js";
import { followPlaying, stopPlaying } from "./playing.js";
import { get } from "./requests.js";
import { changeRange, clearSpectrogram, drawSpectrogram, duration, loudnessRange } from "./spectrograms.js";

/** A clip goes on for some time after its alarm was raised, and is there when that has come. */
const RECORDED_WITHIN_MS = 90_000;
const AGAIN_MS = 3_000;
const PANELS = ["alarm", "reference", "difference", "surprise"];
const dialog = document.getElementById("alarm-dialogue");
const part = parts(dialog);
const showActions = alarmActions(part("actions"));
let opened = null;
let openings = 0;
let drawn = null;

part("close").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => {
  opened = null;
  openings += 1;
  drawn = null;
  for (const name of ["alarm", "reference"]) stopPlaying(part(`${name}-audio`));
  for (const name of PANELS) clearSpectrogram(part(`${name}-plot`));
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn && draw(drawn, openings));

/** Open `alarm`; it is as old as the event that it comes from, unless it is among the `alarms` that stand. */
export function openAlarm(alarm, alarms, live) {
  const latest = alarms.find((one) => sameAlarm(one, alarm));
  opened = latest ?? alarm;
  openings += 1;
  show(opened, live, Boolean(latest));
  part("panels").hidden = true;
  openDialogue(dialog);
  fetchClip(opened);
}

/** Follow the alarm that is open while it changes. */
export function followAlarm(alarms, live) {
  if (!opened) return;
  const latest = alarms.find((one) => sameAlarm(one, opened));
  show(latest ?? opened, live, Boolean(latest));
  if (latest?.clip && !opened.clip) {
    opened = { ...opened, clip: latest.clip };
    fetchClip(latest);
  }
}

/** An event has told of `alarm`, which is the last that is heard of one that is over. */
export function followEvent(alarm) {
  if (opened && sameAlarm(opened, alarm)) opened = { ...alarm, clip: alarm.clip ?? opened.clip };
}

function asItStands(alarm, live, stands) {
  if (stands) return standing(alarm, live);
  if (!alarm.active) return standing(alarm);
  return live ? { state: "over", words: "No longer stands" } : standing(alarm, false);
}

function show(alarm, live, stands) {
  const { state, words } = asItStands(alarm, live, stands);
  dialog.dataset.state = state;
  showShape(part("shape"), state);
  say(part("status"), words);
  say(part("title"), title(alarm));
  sayOrHide(part("sentence"), sentence(alarm));
  showBands(alarm.evidence);
  showFacts(alarm, stands);
  showActions(alarm, live && stands);
}

function showBands(evidence) {
  const lines = (evidence?.bands ?? []).map(({ low_hz: low, high_hz: high, change_db: change }) => {
    const direction = change > 0 ? "louder" : "quieter";
    return [direction, `${band(low, high)}: ${Math.abs(change).toFixed(0)} dB ${direction}`];
  });
  if (evidence?.repetition_hz) lines.push(["again", `${Number(evidence.repetition_hz.toFixed(1))} times a second`]);
  const list = part("bands");
  if (list.dataset.lines === JSON.stringify(lines)) return;
  list.dataset.lines = JSON.stringify(lines);
  list.hidden = lines.length === 0;
  list.replaceChildren(...lines.map(([look, words]) => {
    const item = document.createElement("li");
    item.className = look;
    item.textContent = words;
    return item;
  }));
}

function showFacts(alarm, stands) {
  const nearest = alarm.evidence?.nearest;
  const facts = [
    ["When", since(alarm, stands)],
    ["Highest score", scoreInWords(alarm)],
    ["Windows over the threshold", alarm.windows ? String(alarm.windows) : ""],
    ["Priority", alarm.occurrence ? alarm.priority : ""],
    ["Nearest normal sound", nearest ? nearestInWords(nearest) : ""],
    ["Reason", alarm.evidence?.sentence ? alarm.reason : ""],
    ["Acknowledged", alarm.acknowledged ? `${at(alarm.acknowledged_at)} by ${alarm.acknowledged_by}` : ""],
    ["Channel", alarm.channel],
    ["Box", alarm.node],
  ].filter(([, value]) => value);
  const list = part("facts");
  if (list.dataset.facts === JSON.stringify(facts)) return;
  list.dataset.facts = JSON.stringify(facts);
  list.replaceChildren(...facts.map(([name, value]) => {
    const row = document.createElement("div");
    const term = document.createElement("dt");
    const description = document.createElement("dd");
    term.textContent = name;
    description.textContent = value;
    row.append(term, description);
    return row;
  }));
}

function nearestInWords({ label: name, distance }) {
  return typeof distance === "number" ? `${name}, distance ${distance.toFixed(2)}` : name;
}

function scoreInWords({ peak_score: peak, threshold }) {
  if (peak === null || !threshold) return "";
  return `${peak.toFixed(3)}, ${Math.round((100 * peak) / threshold)} % of the threshold`;
}

async function fetchClip(alarm) {
  const mine = openings;
  const still = () => mine === openings;
  if (alarm.kind !== "anomaly" || !alarm.clip) {
    part("sounds").hidden = alarm.kind !== "anomaly";
    sayOrHide(part("loading"), "No sound was kept of this alarm.");
    return;
  }
  part("sounds").hidden = false;
  sayOrHide(part("loading"), "Fetching the sound …");
  try {
    const clip = await get(`/api/clip/${encodeURIComponent(alarm.clip)}`, { node: alarm.node });
    if (!still()) return;
    part("panels").hidden = false;
    showSounds(alarm, clip);
    drawn = clip;
    await draw(clip, mine);
    if (still()) sayOrHide(part("loading"), "");
  } catch (error) {
    if (!still()) return;
    // The clock of the box may be wrong either way.
    const young = Math.abs(now() - Date.parse(alarm.raised_at)) < RECORDED_WITHIN_MS;
    sayOrHide(part("loading"), young ? "The sound is still being recorded …" : `The sound cannot be had: ${error.message}`);
    if (young) setTimeout(() => still() && fetchClip(alarm), AGAIN_MS);
  }
}

function showSounds(alarm, clip) {
  const query = new URLSearchParams({ node: alarm.node });
  const address = (name) => `/api/clip/${encodeURIComponent(alarm.clip)}/${name}.flac?${query}`;
  part("alarm-audio").src = address("alarm");
  followPlaying(part("alarm-audio"), [part("alarm-plot"), part("difference-plot"), part("surprise-plot")], duration(clip.alarm));
  say(part("alarm-label"), clip.alarm.started ? `from ${toTheSecond(clip.alarm.started)}` : "");
  part("reference-figure").hidden = !clip.reference;
  part("difference-figure").hidden = !clip.difference;
  part("surprise-figure").hidden = !clip.surprise;
  if (!clip.reference) return;
  part("reference-audio").src = address("reference");
  followPlaying(part("reference-audio"), [part("reference-plot")], duration(clip.reference));
  say(part("reference-label"), clip.reference.label ?? "");
}

/** Draw a clip, as long as no other alarm has been opened since. */
async function draw({ alarm, reference, difference, surprise, evidence }, mine) {
  const range = loudnessRange(...[alarm, reference].filter(Boolean));
  for (const name of ["loudness", "same"]) showScale(part(`${name}-scale`), range);
  const bands = evidence?.bands ?? [];
  const words = bands.map((one) => band(one.low_hz, one.high_hz)).join(" and ");
  label("alarm", "Spectrogram of the alarm");
  await drawSpectrogram(part("alarm-plot"), alarm, { range });
  if (mine !== openings) return;
  if (reference) {
    label("reference", "Spectrogram of the nearest normal sound");
    await drawSpectrogram(part("reference-plot"), reference, { range });
  }
  if (mine !== openings) return;
  if (difference) {
    label("difference", `What has changed${words ? `, most of all ${words}` : ""}`);
    const change = changeRange(difference);
    showScale(part("change-scale"), change);
    await drawSpectrogram(part("difference-plot"), difference, { range: change, difference: true, bands });
  }
  if (mine !== openings) return;
  if (surprise) {
    label("surprise", "What a network that was shown the rest of the sound did not expect");
    const excess = changeRange(surprise);
    showScale(part("surprise-scale"), excess);
    await drawSpectrogram(part("surprise-plot"), surprise, { range: excess, difference: true, seconds: duration(alarm) });
  }
}

function showScale(scale, [low, high]) {
  const words = (value) => Object.assign(document.createElement("span"), { textContent: `${value.toFixed(0)} dB` });
  scale.replaceChildren(words(low), document.createElement("i"), words(high));
}

function label(name, words) {
  part(`${name}-plot`).setAttribute("aria-label", words);
}
