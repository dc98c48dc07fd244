/** Questions and commands to the dashboard's server. */

const ANSWER_WITHIN_MS = 20_000;

/** What the server said when it did not do as it was asked. */
class RefusedError extends Error {}

async function ask(path, options, withinMs) {
  let response;
  try {
    response = await fetch(path, { ...options, credentials: "same-origin", signal: AbortSignal.timeout(withinMs) });
  } catch {
    throw new RefusedError("The dashboard does not answer.");
  }
  if (response.status === 401) {
    location.assign("/login");
    throw new RefusedError("You are no longer signed in.");
  }
  const said = await response.json().catch(() => null);
  if (!response.ok) throw new RefusedError(said?.error ?? `The dashboard answered with ${response.status}.`);
  return said;
}

/** @param {string} path @param {Object<string, string>} query What is empty is left out. */
export function get(path, query = {}, withinMs = ANSWER_WITHIN_MS) {
  const filled = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const search = new URLSearchParams(filled).toString();
  return ask(search ? `${path}?${search}` : path, {}, withinMs);
}

/** Ask the daemon of `node` to do something; fails with its sentence where it refuses. */
export async function command(node, verb, args, withinMs = ANSWER_WITHIN_MS) {
  const said = await ask("/api/command", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Requested-With": "asdstream" },
    body: JSON.stringify({ node, verb, args }),
  }, withinMs);
  if (said?.status !== "ok") throw new RefusedError(said?.error ?? "The daemon gave no reason.");
  return said.data;
}
