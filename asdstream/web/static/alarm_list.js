/** The alarms that are of interest now, the most urgent first. */

import { alarmActions } from "./alarm_actions.js";
import { byAttention, sentence, since, standing, title } from "./alarm_words.js";
import { say, sayOrHide, showShape, stamp } from "./elements.js";
import { keyedList } from "./keyed.js";

/** One alarm of the whole fleet. */
function alarmKey(alarm) {
  return JSON.stringify([alarm.node, alarm.alarm_id]);
}

/** @returns {(alarms: object[], live: boolean) => void} Shows these alarms in `parent`. */
export function alarmList(parent, open) {
  const show = keyedList(parent, ({ alarm }) => alarmKey(alarm), () => alarmView(open));
  return (alarms, live) => show([...alarms].sort(byAttention).map((alarm) => ({ alarm, live })));
}

function alarmView(open) {
  const { root, part } = stamp("alarm");
  const showActions = alarmActions(part("actions"), { open });
  return {
    root,
    update({ alarm, live }) {
      const { state, words } = standing(alarm, live);
      root.dataset.state = state;
      root.dataset.alarm = alarm.alarm_id;
      showShape(part("shape"), state);
      say(part("status"), words);
      say(part("title"), title(alarm));
      sayOrHide(part("sentence"), sentence(alarm));
      sayOrHide(part("since"), since(alarm));
      part("article").setAttribute("aria-label", `${title(alarm)}: ${words}`);
      showActions(alarm, live);
    },
  };
}
