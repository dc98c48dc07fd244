/** The scores of one channel over the last hour, in bins that keep the highest: an anomaly of one second stays. */

export const HOUR_MS = 3_600_000;
const BIN_MS = 5_000;
export const BINS = HOUR_MS / BIN_MS;

export class ScoreHistory {
  #bins = new Map();

  /** @param {number} atMs since the epoch @param {number} score */
  add(atMs, score) {
    if (!Number.isFinite(atMs) || !Number.isFinite(score)) return;
    const bin = Math.floor(atMs / BIN_MS);
    this.#bins.set(bin, Math.max(this.#bins.get(bin) ?? -Infinity, score));
    // A strip that is never in sight is never drawn, and a page may stay open for months.
    if (this.#bins.size > 2 * BINS) this.#forget(bin - BINS);
  }

  /** Runs of neighbouring points `[bin from 0 to BINS, score]` up to `nowMs`; between two runs nothing was scored. */
  runs(nowMs) {
    const last = Math.floor(nowMs / BIN_MS);
    const first = last - BINS;
    const runs = [];
    let previous = -Infinity;
    this.#forget(first);
    for (const bin of [...this.#bins.keys()].sort((a, b) => a - b)) {
      if (bin > last) continue;
      // Windows come every second or so, but a box under load leaves some out.
      if (bin - previous > 4) runs.push([]);
      runs.at(-1).push([bin - first, this.#bins.get(bin)]);
      previous = bin;
    }
    return runs;
  }

  #forget(first) {
    for (const bin of this.#bins.keys()) if (bin < first) this.#bins.delete(bin);
  }
}
