/** Shows in the spectrograms what is being heard, and plays from where one is clicked. */

import { MARGIN } from "./spectrograms.js";

const following = new WeakMap();

/**
 * @param {HTMLAudioElement} audio
 * @param {HTMLElement[]} plots Pictures of the same stretch of sound.
 * @param {number} seconds Its length.
 */
export function followPlaying(audio, plots, seconds) {
  following.get(audio)?.abort();
  const end = new AbortController();
  following.set(audio, end);
  const { signal } = end;

  const show = () => {
    for (const plot of plots) {
      plot.classList.add("playing");
      plot.style.setProperty("--at", String(Math.min(1, audio.currentTime / seconds)));
    }
  };
  const follow = () => {
    show();
    if (!audio.paused && !signal.aborted) requestAnimationFrame(follow);
  };
  audio.addEventListener("play", follow, { signal });
  audio.addEventListener("seeked", show, { signal });
  for (const plot of plots) {
    plot.classList.add("seekable");
    plot.addEventListener("click", (event) => {
      const box = plot.getBoundingClientRect();
      const share = (event.clientX - box.left - MARGIN.l) / (box.width - MARGIN.l - MARGIN.r);
      audio.currentTime = Math.max(0, Math.min(1, share)) * seconds;
      audio.play();
    }, { signal });
  }
  signal.addEventListener("abort", () => plots.forEach((plot) => plot.classList.remove("playing", "seekable")));
}

/** Fall silent, and let go of the sound. */
export function stopPlaying(audio) {
  following.get(audio)?.abort();
  audio.pause();
  audio.removeAttribute("src");
  audio.load();
}
