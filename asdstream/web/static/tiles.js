/** The machines: a tile each, in the order of their names, so that each keeps its place. */

import { capitalised, sentence } from "./alarm_words.js";
import { say, sayOrHide, showShape, stamp } from "./elements.js";
import { keyedList } from "./keyed.js";
import { historyOf, watchStrip } from "./score_strips.js";
import { WORDS } from "./states.js";
import { drawStrip } from "./strip.js";

const REDRAW_MS = 1000;
const byName = new Intl.Collator("en", { numeric: true });

/**
 * @param {Element} parent
 * @param {{open: (machine: object) => void, enrol: (machine: object) => void}} actions
 * @returns {(snapshot: object, machines: object[], live: boolean) => void} Shows these machines.
 */
export function tileView(parent, actions) {
  const show = keyedList(parent, (group) => group.node, () => nodeView(actions));
  return (snapshot, machines, live) => {
    const nodes = new Map(snapshot.nodes.map((node) => [node.node, node]));
    const groups = new Map();
    for (const machine of machines) {
      if (!groups.has(machine.node)) groups.set(machine.node, []);
      groups.get(machine.node).push(machine);
    }
    const named = [...groups].map(([node, members]) => ({
      node, live, about: nodes.get(node), machines: members.sort((a, b) => byName.compare(a.machine, b.machine)),
      alarms: snapshot.alarms.filter((alarm) => alarm.node === node),
    }));
    show(named.sort((a, b) => byName.compare(a.node, b.node)));
  };
}

function nodeView(actions) {
  const { root, part } = stamp("node");
  const showTiles = keyedList(part("tiles"), ({ machine }) => machine.machine, () => machineTile(actions));
  return {
    root,
    update({ node, about, machines, alarms, live }) {
      say(part("name"), node);
      say(part("more"), live ? nodeInWords(about) : "");
      showTiles(machines.map((machine) => ({ machine, live, alarms })));
    },
    end() {
      showTiles([]);
    },
  };
}

function nodeInWords(node) {
  if (!node || node.state === "unknown") return "nothing is heard of this box";
  const version = node.version ? `, asdstream ${node.version}` : "";
  return node.state === "online" ? `online${version}` : `offline${version}`;
}

function machineTile(actions) {
  const { root, part } = stamp("tile");
  let current = null;
  const showChannels = keyedList(part("channels"), ({ channel }) => channel.channel, channelView);
  part("enrol").addEventListener("click", () => actions.enrol(current));
  part("open").addEventListener("click", () => actions.open(current));
  return {
    root,
    update({ machine, live, alarms }) {
      current = machine;
      const { state, channels } = machine;
      root.dataset.state = state;
      root.dataset.machine = machine.machine;
      showShape(part("shape"), state);
      say(part("word"), WORDS[state]);
      say(part("name"), machine.machine);
      say(part("about"), machine.machine_type === machine.machine ? "" : machine.machine_type);
      part("article").setAttribute("aria-label", `${machine.machine}: ${WORDS[state]}`);
      const own = alarms.filter((alarm) => alarm.machine === machine.machine);
      sayOrHide(part("problem"), live ? problemOf(channels, own) : "");
      const several = channels.length > 1;
      showChannels(channels.map((channel) => ({ channel, node: machine.node, several })));
      part("open").hidden = !own.some((alarm) => alarm.occurrence);
      part("open").setAttribute("aria-label", `Open the alarm of ${machine.machine}`);
      part("enrol").setAttribute("aria-label", `Learn the sound of ${machine.machine} as normal`);
      part("enrol").disabled = !live;
    },
    end() {
      showChannels([]);
    },
  };
}

function problemOf(channels, alarms) {
  const heard = alarms.find((alarm) => alarm.kind === "anomaly" && alarm.active);
  // What says most comes first; the alarm itself says all of it.
  if (heard) return sentence(heard).split(";")[0];
  return channels.map((channel) => channel.problem).filter(Boolean).map(capitalised).join(". ");
}

function channelView({ channel, node }) {
  const { root, part } = stamp("channel");
  let threshold = channel.threshold;
  const draw = () => drawStrip(part, historyOf(node, channel.channel), threshold);
  const strip = watchStrip(part("strip"), node, channel.channel, draw);
  const timer = setInterval(strip.redraw, REDRAW_MS);
  return {
    root,
    update({ channel: latest, several }) {
      threshold = latest.threshold;
      root.dataset.state = latest.state;
      say(part("name"), several ? `${latest.channel}: ${WORDS[latest.state]}` : "");
      say(part("share"), shareInWords(latest));
    },
    end() {
      clearInterval(timer);
      strip.end();
    },
  };
}

function shareInWords({ score, threshold, state }) {
  if (["unknown", "offline", "stale"].includes(state) || score === null || !threshold) return "";
  return `${Math.round((100 * score) / threshold)} % of the threshold`;
}
