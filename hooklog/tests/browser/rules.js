// Run in a page: what of the rules of accessibility is broken there, as a list of sentences.
const broken = [];
const shown = (element) => element.checkVisibility({ visibilityProperty: true });
const all = (selector) => [...document.querySelectorAll(selector)].filter(shown);
const sketch = (element) => element.cloneNode(false).outerHTML.slice(0, 160);

const root = document.documentElement;
if (root.scrollWidth > root.clientWidth) {
  const wide = all("body *").filter((one) => one.getBoundingClientRect().right > root.clientWidth + 1);
  broken.push(`scrolls sideways by ${root.scrollWidth - root.clientWidth}: ${wide.slice(0, 3).map(sketch).join(" ")}`);
}

for (const field of all("input, select, textarea")) {
  const name = field.getAttribute("aria-label") ?? field.labels?.[0]?.textContent ?? "";
  if (!name.trim()) broken.push(`a field without a label: ${sketch(field)}`);
}
for (const control of all("button, a, summary")) {
  const name = control.getAttribute("aria-label") ?? control.textContent;
  if (!name.trim()) broken.push(`a control without a name: ${sketch(control)}`);
}
for (const control of all("button, .chips label, .segments label, .nav a")) {
  const { width, height } = control.getBoundingClientRect();
  if (width < 24 || height < 24) broken.push(`a target below 24 pixels (${width} x ${height}): ${sketch(control)}`);
}

const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => broken.push(`two elements have the id ${id}`));
for (const element of document.querySelectorAll("[aria-describedby], [aria-labelledby]")) {
  const named = `${element.getAttribute("aria-describedby") ?? ""} ${element.getAttribute("aria-labelledby") ?? ""}`;
  named.split(" ").filter((id) => id && !document.getElementById(id)).forEach((id) => broken.push(`nothing has the id ${id}`));
}

const headings = all("h1, h2, h3, h4").map((heading) => Number(heading.tagName[1]));
if (headings.filter((level) => level === 1).length !== 1) broken.push(`${headings} is not one first heading`);
headings.forEach((level, at) => { if (at > 0 && level > headings[at - 1] + 1) broken.push(`a heading of level ${level} below one of ${headings[at - 1]}`); });
if (!root.lang) broken.push("no language");
if (document.querySelectorAll("main").length !== 1) broken.push("not one main part");
if (document.querySelector("table:not(:has(caption))")) broken.push("a table without a caption");

const channels = (text) => text.match(/[\d.]+/g).map(Number);
const luminance = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = channels(getComputedStyle(at).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let text = texts.nextNode(); text; text = texts.nextNode()) {
  const element = text.parentElement;
  if (!text.data.trim() || !shown(element) || element.closest(".unseen, .skip, noscript, option, :disabled")) continue;
  const style = getComputedStyle(element);
  const front = luminance(channels(element instanceof SVGElement ? style.fill : style.color));
  const back = luminance(ground(element));
  const contrast = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
  const size = parseFloat(style.fontSize);
  const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
  if (contrast < least) broken.push(`contrast ${contrast.toFixed(2)} of "${text.data.trim().slice(0, 40)}"`);
}
return broken;
