/** Heatmaps of sound: rows are mel bands, evenly spaced and marked in Hz, columns are time. */

import { frequency, rowOf, ticks } from "./frequencies.js";
import { plotly } from "./plotly.js";

const LOUDNESS = "Viridis";
/** Beside the picture, in pixels; the style sheet knows them too, where it draws the place that is being played. */
export const MARGIN = { l: 58, r: 8 };

/**
 * @param {HTMLElement} place
 * @param {{mel: number[][], times_s: number[], hz: number[]}} sound `mel` is (band, time) in dB.
 * @param {{range: [number, number], difference?: boolean, bands?: object[], seconds?: number}} how
 */
export async function drawSpectrogram(place, sound, how) {
  const library = await plotly();
  const ink = colours();
  const trace = {
    type: "heatmap",
    x: sound.times_s,
    y: sound.hz.map((_, row) => row),
    z: sound.mel,
    zmin: how.range[0],
    zmax: how.range[1],
    colorscale: how.difference ? [[0, ink.quieter], [0.5, ink.same], [1, ink.louder]] : LOUDNESS,
    customdata: sound.mel.map((row, index) => row.map(() => frequency(sound.hz[index]))),
    hovertemplate: "%{x:.1f} s, %{customdata}<br>%{z:.0f} dB<extra></extra>",
    showscale: false,
    // Without it plotly puts a style attribute on the picture, which the page's policy forbids.
    zsmooth: "fast",
  };
  const layout = {
    margin: { ...MARGIN, t: 6, b: 30 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: ink.family, size: 13, color: ink.ink },
    xaxis: { ...axis(ink), ticksuffix: " s", nticks: 6, range: [0, how.seconds ?? duration(sound)] },
    yaxis: { ...axis(ink), ...ticks(sound.hz), range: [-0.5, sound.hz.length - 0.5] },
    hoverlabel: { font: { family: ink.family } },
    shapes: (how.bands ?? []).map((band) => frame(band, sound.hz, ink)),
  };
  await library.react(place, [trace], layout, { displayModeBar: false, responsive: true, displaylogo: false });
}

/** Seconds from the left edge of the picture to its right one. */
export function duration({ times_s: times }) {
  const column = times.length > 1 ? times[1] - times[0] : 0;
  return times.at(-1) + column / 2;
}

/** Give back what a drawing holds. */
export function clearSpectrogram(place) {
  globalThis.Plotly?.purge(place);
}

/** The loudness that is worth its colour: without the few loudest and quietest points. */
export function loudnessRange(...sounds) {
  const values = sounds.flatMap((sound) => sound.mel.flat()).sort((a, b) => a - b);
  const at = (share) => values[Math.min(values.length - 1, Math.floor(share * values.length))] ?? 0;
  return [at(0.05), Math.max(at(0.998), at(0.05) + 1)];
}

/** Symmetrical, so that no change has the colour of the ground. */
export function changeRange(difference) {
  const values = difference.mel.flat().map(Math.abs).sort((a, b) => a - b);
  const most = Math.max(6, values[Math.floor(0.995 * values.length)] ?? 0);
  return [-most, most];
}

function frame({ low_hz: low, high_hz: high }, rowsHz, ink) {
  return {
    type: "rect", xref: "paper", x0: 0, x1: 1, y0: rowOf(low, rowsHz) - 0.5, y1: rowOf(high, rowsHz) + 0.5,
    line: { color: ink.ink, width: 1.5, dash: "dot" },
  };
}

function axis(ink) {
  return { fixedrange: true, showgrid: false, zeroline: false, ticks: "outside", tickcolor: ink.line };
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  return {
    ink: value("--ink"), line: value("--line-strong"), louder: value("--louder"), quieter: value("--quieter"),
    same: value("--surface"), family: getComputedStyle(document.body).fontFamily,
  };
}
