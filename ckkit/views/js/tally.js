// What there is, with counts, to filter by: groups of buttons. A second click on the chosen one takes the choice back.
// Of a long group the first are shown, and one more button shows the rest.
const MOST = 12;

function item({ label, count, query, mark, level }, chosen, choose) {
  const button = make("button", level ? `ck-level-${level}` : "");
  button.type = "button";
  button.title = query;
  button.setAttribute("aria-pressed", String(query === chosen));
  const text = make("span", "ck-label");
  if (mark) text.append(make("span", "ck-mark", mark), " ");
  text.append(label);
  button.append(text, make("span", "ck-n", count.toLocaleString("en")));
  button.onclick = () => choose(query === chosen ? "" : query);
  return button;
}

function render({ model, el }) {
  el.classList.add("ck-tally");
  const open = new Set();
  let drawn = "";
  const choose = (query) => {
    model.set("chosen", query);
    model.save_changes();
  };
  const group = ({ title, items }, chosen) => {
    const long = items.length > MOST + 1 && !open.has(title);
    const shown = long ? items.filter((one, at) => at < MOST || one.query === chosen) : items;
    const made = shown.map((one) => item(one, chosen, choose));
    if (title) made.unshift(make("h4", "", title));
    if (long) {
      const more = make("button", "ck-more", `▾ ${items.length - shown.length} more`);
      more.type = "button";
      more.onclick = () => {
        open.add(title);
        draw();
      };
      made.push(more);
    }
    return made;
  };
  function draw() {
    const now = JSON.stringify([model.get("groups"), model.get("chosen"), [...open]]);
    if (now === drawn) return; // a button that has the focus keeps it
    drawn = now;
    el.replaceChildren(...model.get("groups").flatMap((one) => group(one, model.get("chosen"))));
  }
  model.on("change:groups", draw);
  model.on("change:chosen", draw);
  draw();
  return () => {
    model.off("change:groups", draw);
    model.off("change:chosen", draw);
  };
}

export default { render };
