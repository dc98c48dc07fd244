"""A page that stays open for months, as on the wall of a hall, does not grow."""

from playwright.sync_api import Page

SCORES = """async () => {
  const { ScoreHistory, BINS, HOUR_MS } = await import("/static/score_history.js");
  const history = new ScoreHistory();
  const kept = [];
  for (let bin = 0; bin < 4 * BINS; bin += 1) history.add(bin * (HOUR_MS / BINS), 0.1);
  for (const hour of [1, 2, 4]) kept.push(history.runs(hour * HOUR_MS - 1).flat().length > 0);
  return kept;
}"""
EVENTS = """async () => {
  const { historyView } = await import("/static/history.js");
  const view = historyView(() => {});
  const shown = () => document.querySelectorAll("#history-list > .event").length;
  const alarm = { machine: "fan-1", kind: "anomaly", reason: "" };
  const happened = { transition: "raised", ts: new Date().toISOString(), actor: null, note: null, alarm };
  const add = (node, number) => view.add({ ...happened, node, event_id: `event-${number}` });
  for (let number = 0; number < 150; number += 1) add("plant/line-1", number);
  add("plant/line-2", 0);
  const before = shown();
  for (let number = 150; number < 300; number += 1) add("plant/line-1", number);
  return [before, shown(), document.getElementById("history-more").hidden];
}"""
TIMERS = """async () => {
  const { tileView } = await import("/static/tiles.js");
  const running = new Set();
  const [begin, end] = [window.setInterval, window.clearInterval];
  window.setInterval = (...what) => { const made = begin(...what); running.add(made); return made; };
  window.clearInterval = (made) => { running.delete(made); end(made); };
  const show = tileView(document.createElement("div"), {});
  const channel = { channel: "fan-9", state: "normal", score: 0.1, threshold: 0.2, problem: null };
  const machine = { node: "plant/line-9", machine: "fan-9", machine_type: "fan", state: "normal", channels: [channel] };
  show({ nodes: [], alarms: [] }, [machine], true);
  const while_there = running.size;
  show({ nodes: [], alarms: [] }, [], true);
  [window.setInterval, window.clearInterval] = [begin, end];
  return [while_there, running.size];
}"""


def test_scores_of_a_strip_that_is_never_drawn_are_forgotten(page: Page) -> None:
    assert page.evaluate(SCORES) == [False, False, True]


def test_events_that_come_by_themselves_push_out_the_oldest_and_each_box_has_its_own(page: Page) -> None:
    assert page.evaluate(EVENTS) == [151, 200, False]


def test_a_box_that_goes_leaves_nothing_running(page: Page) -> None:
    assert page.evaluate(TIMERS) == [1, 0]
