/** Lists that follow their data without being made anew: focus, selection and a screen reader's place survive. */

/**
 * A list of elements in `parent`, one for each item.
 * @param {Element} parent
 * @param {(item: object) => string} keyOf
 * @param {(item: object) => {root: Element, update: (item: object) => void}} create
 * @returns {(items: object[]) => void} Shows these items, in this order.
 */
export function keyedList(parent, keyOf, create) {
  const views = new Map();
  return (items) => {
    const focused = document.activeElement;
    const within = parent.contains(focused);
    const wanted = new Set(items.map(keyOf));
    for (const [key, view] of views) {
      if (!wanted.has(key)) {
        view.root.remove();
        view.end?.();
        views.delete(key);
      }
    }
    items.forEach((item, index) => {
      const key = keyOf(item);
      let view = views.get(key);
      if (!view) {
        view = create(item);
        views.set(key, view);
      }
      view.update(item);
      if (parent.children[index] !== view.root) parent.insertBefore(view.root, parent.children[index] ?? null);
    });
    // An element that is moved loses the focus; where it has gone, whoever uses the keyboard goes on from the heading.
    if (!within || parent.contains(document.activeElement)) return;
    const heading = () => parent.closest("main > section")?.querySelector("[tabindex='-1']");
    (parent.contains(focused) ? focused : heading())?.focus({ preventScroll: true });
  };
}
