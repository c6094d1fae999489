// What there is, with counts, to filter by: groups of buttons. A second click on the chosen one takes the choice back.
function render({ model, el }) {
  el.classList.add("ck-tally");
  const draw = () => {
    const chosen = model.get("chosen");
    const made = model.get("groups").flatMap(({ title, items }) => {
      const head = document.createElement("h4");
      head.textContent = title;
      const buttons = items.map(({ label, count, query }) => {
        const button = document.createElement("button");
        button.type = "button";
        button.setAttribute("aria-pressed", String(query === chosen));
        const name = document.createElement("span");
        name.textContent = label;
        const number = document.createElement("span");
        number.className = "n";
        number.textContent = count.toLocaleString("en");
        button.append(name, number);
        button.onclick = () => {
          model.set("chosen", query === chosen ? "" : query);
          model.save_changes();
        };
        return button;
      });
      return title ? [head, ...buttons] : buttons;
    });
    el.replaceChildren(...made);
  };
  model.on("change:groups", draw);
  model.on("change:chosen", draw);
  draw();
  return () => {
    model.off("change:groups", draw);
    model.off("change:chosen", draw);
  };
}

export default { render };
