/** Plotly, which is large and fetched only when a spectrogram is to be drawn. */

let fetched = null;

/** @returns {Promise<object>} The library; fails where it cannot be fetched, and may then be asked again. */
export function plotly() {
  fetched ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/static/plotly.min.js";
    script.addEventListener("load", () => resolve(globalThis.Plotly));
    script.addEventListener("error", () => {
      fetched = null;
      script.remove();
      reject(new Error("The part of the page that draws cannot be fetched."));
    });
    document.head.append(script);
  });
  return fetched;
}
