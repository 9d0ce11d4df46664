// Makes elements. Text is only ever set as text: nothing in the dashboard reads markup, so what a
// producer or a receiver wrote stays what it is.

/**
 * An element. A property that begins with "on" is a listener; null and false are left out.
 * Children are nodes or text, nested as one likes.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  const later = [];
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    // A select knows its value only once it has its options.
    else if (name === "value" || name === "checked") later.push(() => { element[name] = value; });
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...present(children));
  later.forEach((set) => set());
  return element;
}

/** An element of a drawing, with attributes alone. */
export function drawn(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...present(children));
  return element;
}

function present(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/**
 * Replaces what is in `place`, and leaves the keyboard where it was: on what has the same
 * `data-focus` or address as what had the focus.
 */
export function fill(place, ...children) {
  const held = place.contains(document.activeElement) ? focusName(document.activeElement) : null;
  place.replaceChildren(...present(children));
  if (held === null) return;
  const again = [...place.querySelectorAll("a, button, [data-focus]")].find((one) => focusName(one) === held);
  again?.focus({ preventScroll: true });
}

function focusName(element) {
  return element.dataset.focus ?? element.getAttribute("href") ?? element.textContent;
}

let made = 0;

/** A name that no other element has. */
export function newId() {
  made += 1;
  return `n${made}`;
}
