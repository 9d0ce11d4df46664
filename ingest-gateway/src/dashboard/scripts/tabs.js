// The two pages about deliveries.

import { h } from "./dom.js";

const PAGES = [["deliveries", "#/deliveries", "All deliveries"], ["replays", "#/replays", "Replays"]];

export function deliveryTabs(current) {
  return h("nav", { class: "tabs", "aria-label": "Deliveries and replays" },
    PAGES.map(([name, href, text]) => h("a", { href, "aria-current": name === current && "page" }, text)));
}
