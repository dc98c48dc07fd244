/** Frequencies in words and on an axis. */

const TICKS_HZ = [250, 500, 1000, 2000, 4000, 8000];

/** Such as "180 Hz" or "3.2 kHz". */
export function frequency(hz) {
  return hz < 1000 ? `${Math.round(hz)} Hz` : `${Number((hz / 1000).toFixed(1))} kHz`;
}

/** Such as "3.2 to 3.8 kHz". */
export function band(lowHz, highHz) {
  const [low, unit] = frequency(lowHz).split(" ");
  const high = frequency(highHz);
  return high.endsWith(` ${unit}`) ? `${low} to ${high}` : `${low} ${unit} to ${high}`;
}

/** Where `hz` lies among the rows of a spectrogram, whose centres are `rowsHz`, ascending: a fractional row. */
export function rowOf(hz, rowsHz) {
  const next = rowsHz.findIndex((centre) => centre >= hz);
  if (next === -1) return rowsHz.length - 0.5;
  if (next === 0) return -0.5;
  return next - 1 + (hz - rowsHz[next - 1]) / (rowsHz[next] - rowsHz[next - 1]);
}

/** The rows to be marked on the axis, and how. */
export function ticks(rowsHz) {
  const shown = TICKS_HZ.filter((hz) => hz >= rowsHz[0] && hz <= rowsHz.at(-1) * 1.02);
  return { tickvals: shown.map((hz) => rowOf(hz, rowsHz)), ticktext: shown.map((hz) => frequency(hz)) };
}
