// Elements. A text is always a text node: nothing that the API returns becomes HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. An attribute that is null, undefined or false is left out, `true` is empty, and a function listens to the
 * event of its name (`onclick`). Children are nodes, texts, and lists of them.
 */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An element of SVG. */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...nodes(children));
  return element;
}

function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false).map((child) => (child instanceof Node ? child : String(child)));
}

/** Replaces the children of an element. */
export function replace(element, ...children) {
  element.replaceChildren(...nodes(children));
}

/** A name from a switch or an operator: its direction does not affect the text around it. */
export function name(text, attributes) {
  return h("bdi", attributes, text);
}

/** Between the parts of a heading. */
export const separator = () => h("span", { class: "sep" }, " / ");

/** A name in a fixed-width font. */
export function mono(text, attributes) {
  return h("bdi", { class: "mono", ...attributes }, text);
}

/**
 * Shows `items` as children of `parent`, each with the same element as long as its key is the same. `make` makes the
 * element; it is made again if `version` of the item changes. The focus stays where it is.
 */
export function reconcile(parent, items, { key, version, make }) {
  const known = (parent.reconciled ??= new Map());
  const next = new Map();
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  let focusedKey = null;
  for (const [itemKey, { element }] of known) if (focused && element.contains(focused)) focusedKey = itemKey;
  for (const item of items) {
    const itemKey = key(item);
    const itemVersion = version(item);
    const before = known.get(itemKey);
    next.set(itemKey, before?.version === itemVersion ? before : { version: itemVersion, element: make(item) });
  }
  for (const [itemKey, { element }] of known) if (next.get(itemKey)?.element !== element) element.remove();
  let at = parent.firstChild;
  for (const { element } of next.values()) {
    if (element === at) at = at.nextSibling;
    else parent.insertBefore(element, at);
  }
  parent.reconciled = next;
  if (focusedKey !== null && !parent.contains(document.activeElement)) {
    const element = next.get(focusedKey)?.element;
    const again = focused.isConnected ? focused : element?.querySelector("a, button, summary");
    again?.focus({ preventScroll: true });
  }
}
