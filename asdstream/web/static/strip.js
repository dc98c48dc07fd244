/** Draws the scores of the last hour against the threshold, as paths of an SVG 720 wide and 100 high. */

import { now } from "./moments.js";
import { BINS } from "./score_history.js";

const WIDTH = 720;
const HEIGHT = 100;

/**
 * @param {(name: string) => Element} part of a channel's element
 * @param {import("./score_history.js").ScoreHistory} history
 * @param {number | null} threshold
 */
export function drawStrip(part, history, threshold) {
  const runs = history.runs(now());
  const scores = runs.flat().map(([, score]) => score);
  const highest = Math.max(0, ...scores);
  const top = Math.max(highest * 1.08, (threshold ?? 0) * 1.7) || 1;
  const x = (bin) => ((bin / BINS) * WIDTH).toFixed(1);
  const y = (score) => (HEIGHT * (1 - score / top)).toFixed(1);
  part("line").setAttribute("d", runs.map((run) => linePath(run, x, y)).join(""));
  part("area").setAttribute("d", runs.map((run) => areaPath(run, x, y(0), y)).join(""));
  part("over").setAttribute("d", threshold === null ? "" : overPath(runs, x, y, threshold));
  const line = part("threshold");
  line.toggleAttribute("hidden", threshold === null);
  for (const name of ["y1", "y2"]) line.setAttribute(name, threshold === null ? 0 : y(threshold));
  part("strip").setAttribute("aria-label", inWords(scores, highest, threshold));
}

function linePath(run, x, y) {
  return run.map(([bin, score], index) => `${index ? "L" : "M"}${x(bin)} ${y(score)}`).join("");
}

function areaPath(run, x, ground, y) {
  if (run.length < 2) return "";
  return `M${x(run[0][0])} ${ground}${linePath(run, x, y).replace("M", "L")}L${x(run.at(-1)[0])} ${ground}Z`;
}

function overPath(runs, x, y, threshold) {
  const over = runs.flat().filter(([, score]) => score > threshold);
  return over.map(([bin, score]) => `M${x(bin - 1)} ${y(threshold)}V${y(score)}H${x(bin)}V${y(threshold)}Z`).join("");
}

function inWords(scores, highest, threshold) {
  if (scores.length === 0) return "No scores in the last hour";
  if (!threshold) return "Scores of the last hour; there is no threshold";
  const share = Math.round((100 * highest) / threshold);
  const over = highest > threshold ? "has been over the threshold" : "stayed below the threshold";
  return `In the last hour the score ${over}; at most ${share} % of it`;
}
