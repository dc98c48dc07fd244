/** What is known of all machines, as it may be shown: without a connection nothing is known. */

import { knownState, mostUrgent } from "./states.js";

/**
 * The machines of a snapshot, each with one `state`; without a connection each is "unknown".
 * @param {object} snapshot As `GET /api/fleet` gives it.
 * @param {boolean} live
 */
export function machinesOf(snapshot, live) {
  const nodeStates = new Map(snapshot.nodes.map((node) => [node.node, node.state]));
  return snapshot.machines.map((machine) => {
    const gone = !live || nodeStates.get(machine.node) === "unknown";
    const channels = machine.channels.map((channel) => ({
      ...channel,
      state: gone ? "unknown" : knownState(channel.state),
    }));
    return { ...machine, channels, state: mostUrgent(channels.map((channel) => channel.state)) };
  });
}

/** How many machines are in each state, as a map. */
export function countStates(machines) {
  const counts = new Map();
  for (const { state } of machines) counts.set(state, (counts.get(state) ?? 0) + 1);
  return counts;
}
