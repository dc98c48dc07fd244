/** Making elements from the page's templates. What came over MQTT enters only through `say`, as text. */

/**
 * A copy of `<template id="name-template">`.
 * @param {string} name
 * @returns {{root: HTMLElement, part: (name: string) => HTMLElement}} `part` finds the element with that `data-part`.
 */
export function stamp(name) {
  const template = document.getElementById(`${name}-template`);
  const root = template.content.cloneNode(true).firstElementChild;
  return { root, part: parts(root) };
}

/** @param {Element} root @returns {(name: string) => HTMLElement} Finds a named part of `root`. */
export function parts(root) {
  return (name) => root.querySelector(`[data-part="${name}"]`);
}

/** Put `text` into `element`, and leave it alone where it says that already: it may be selected or being read out. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Put a text that may be missing into `element`, which is hidden where it is. */
export function sayOrHide(element, text) {
  say(element, text ?? "");
  element.hidden = !text;
}

/** Let a `<use>` show another shape. */
export function showShape(use, shape) {
  const link = `#shape-${shape}`;
  if (use.getAttribute("href") !== link) use.setAttribute("href", link);
}

/** A button of an alarm or a tile. */
export function button(text, look, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = look;
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
}
