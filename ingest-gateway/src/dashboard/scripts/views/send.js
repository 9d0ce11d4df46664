// Sends events by hand: to one subscription with a signature made here, or to everybody; and looks
// up what became of one.

import { h } from "../dom.js";
import { pageHead } from "../pieces.js";
import { segments } from "../fields.js";
import { lookupForm } from "../send_lookup.js";
import { publishForm } from "../send_publish.js";
import { signedForm } from "../send_signed.js";

export const title = "Send";

const FORMS = [["signed", "Signed event", signedForm], ["publish", "Publish", publishForm], ["lookup", "Look up", lookupForm]];

export function show({ root, query, signal }) {
  root.classList.add("page-narrow");
  const place = h("div", { class: "stack" });
  const choose = (name) => {
    const [chosen, , make] = FORMS.find(([known]) => known === name) ?? FORMS[0];
    place.replaceChildren(make({ query, signal }));
    history.replaceState(null, "", chosen === "signed" ? "#/send" : `#/send?form=${chosen}`);
    return chosen;
  };
  const id = query.get("id");
  const chosen = choose(query.get("form"));
  if (id) history.replaceState(null, "", `#/send?form=${chosen}&id=${encodeURIComponent(id)}`);
  root.append(pageHead(title, { note: "Events by hand: to try a receiver, a signature, a filter." }), segments("What to do", FORMS, chosen, choose), place);
}
