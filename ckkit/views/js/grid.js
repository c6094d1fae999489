// A table of up to some ten thousand rows: only those in sight are in the document, and they stay there as long as they
// are in sight, so that what is clicked, focused or marked is not taken away by an update.
// Rows come as columns (`cols`), sparklines as one buffer of float32: spark column × row × point, NaN where there is none.
const ROW = 30;
const HEAD = 34;
const VALUE = { ratio: 44, "": 40, "bytes/s": 72 };
const CALM_MS = 1500; // rows do not change places under a pointer that moves

function valueWidth(column) {
  return VALUE[column.unit ?? ""] ?? 58;
}

// What a cell shows, each kind in its way: a text, or elements.
const CELLS = {
  level: (value) => [make("span", "ck-mark", LEVELS[value]?.[0] ?? ""), ` ${LEVELS[value]?.[1] ?? value ?? ""}`],
  tags: (value) => (value ?? []).map((tag) => make("span", "ck-tag", tag)),
  number: (value, column) => [show(value, column.unit)],
  count: (value) => [show(value)],
  id: (value) => [String(value ?? "")],
  text: (value, column, base) => {
    if (!column.link || gone(value)) return [value ?? ""];
    const link = make("a", "", value);
    link.href = `${base}${column.link}${encodeURIComponent(value)}`;
    if (base) link.target = "_blank"; // from JupyterLab to the dashboards
    link.tabIndex = -1;
    return [link];
  },
};

function render({ model, el }) {
  el.classList.add("ck-grid");
  const inVoila = window.location.pathname.includes("/voila/");
  const bar = make("input", "ck-filter");
  bar.type = "search";
  bar.placeholder = model.get("placeholder") || "filter";
  bar.setAttribute("aria-label", bar.placeholder);
  const told = make("span", "ck-told");
  const tools = make("div", "ck-tools");
  tools.append(bar, told);
  tools.hidden = !model.get("searchable");
  const box = make("div", "ck-grid-box");
  box.tabIndex = 0;
  box.setAttribute("role", "grid");
  const head = make("div", "ck-grid-head");
  head.setAttribute("role", "row");
  const body = make("div", "ck-grid-body");
  body.setAttribute("role", "rowgroup");
  const empty = make("div", "ck-grid-empty");
  box.append(head, body, empty);
  el.append(tools, box);

  const name = `ck-${Math.random().toString(36).slice(2)}`;
  const alive = new Map(); // the rows in the document, by index
  let columns = []; // those that there is room for
  let order = [];
  let chosen; // the key of the row that is chosen: it stays so wherever the row goes
  let active = -1; // where that is in `order`
  let sparks = new Float32Array();
  let version = 0;
  let moved = 0;
  let later = 0;

  const values = (key) => model.get("cols")[key] ?? [];
  const rows = () => values(model.get("columns")[0]?.key).length;
  const keyOf = (at) => values(model.get("key"))[order[at]] ?? order[at];

  function arrange() {
    const words = bar.value.toLowerCase().split(/\s+/).filter(Boolean);
    const texts = model.get("columns").filter((c) => c.kind === "text" || c.kind === "tags").map((c) => values(c.key));
    const has = (i, word) => texts.some((v) => String(v[i]).toLowerCase().includes(word));
    const all = model.get("shown") ?? Array.from({ length: rows() }, (_, i) => i);
    order = all.filter((i) => words.every((word) => has(i, word)));
    const { key, down } = model.get("sort");
    const column = model.get("columns").find((c) => c.key === key);
    if (column) {
      const ranked = values(key).map((value) => (column.kind === "level" ? RANKS.indexOf(value) : value));
      order.sort((a, b) => compare(ranked[a], ranked[b], down) || a - b);
    }
    told.textContent = words.length ? `${order.length.toLocaleString("en")} of ${all.length.toLocaleString("en")}` : "";
  }

  function fit() {
    body.style.height = `${order.length * ROW}px`;
    const most = model.get("height") || (inVoila ? Math.max(300, window.innerHeight - box.getBoundingClientRect().top - window.scrollY - 28) : 560);
    const bar = box.offsetHeight - box.clientHeight; // of the scroll bar below, where there is one
    box.style.height = order.length ? `${Math.min(most, order.length * ROW + HEAD + bar)}px` : "auto";
    empty.textContent = rows() ? model.get("none") : model.get("empty");
    empty.hidden = order.length > 0;
    box.setAttribute("aria-rowcount", order.length + 1);
    el.dataset.rows = order.length;
  }

  function fill(row, i, colour) {
    row.told ??= [];
    columns.forEach((column, at) => {
      const value = values(column.key)[i];
      const cell = row.children[at] ?? row.appendChild(make("div"));
      if (column.kind === "spark") return fillSpark(cell, column, i, value, colour);
      const said = JSON.stringify([column.kind, value]);
      if (row.told[at] === said) return;
      row.told[at] = said;
      cell.className = `ck-cell ck-${column.kind}${column.kind === "level" ? ` ck-level-${value}` : ""}`;
      cell.setAttribute("role", "gridcell");
      cell.title = column.kind === "tags" ? (value ?? []).join(", ") : column.kind === "text" ? (value ?? "") : "";
      cell.replaceChildren(...CELLS[column.kind](value, column, inVoila ? "" : model.get("base")));
    });
    while (row.children.length > columns.length) row.lastChild.remove();
    row.version = version;
  }

  function fillSpark(cell, column, i, value, colour) {
    if (!cell.classList.contains("ck-spark")) {
      cell.className = "ck-cell ck-spark";
      cell.setAttribute("role", "gridcell");
      cell.replaceChildren(make("canvas"), make("span", "ck-value"));
      cell.lastChild.style.width = `${valueWidth(column)}px`;
    }
    const points = model.get("points");
    const from = (column.spark * rows() + i) * points;
    const ratio = column.unit === "ratio";
    spark(cell.firstChild, sparks.subarray(from, from + points), column.room, ratio, colour);
    cell.lastChild.textContent = show(value, column.unit);
  }

  function paint() {
    const first = Math.max(0, Math.floor(box.scrollTop / ROW) - 6);
    const last = Math.min(order.length, first + Math.ceil(box.clientHeight / ROW) + 12);
    const colour = getComputedStyle(el).getPropertyValue("--ck-line").trim() || "#2f81d8";
    const wanted = new Set(order.slice(first, last));
    for (const [i, row] of alive) {
      if (wanted.has(i)) continue;
      row.remove();
      alive.delete(i);
    }
    for (let at = first; at < last; at++) {
      const i = order[at];
      const row = alive.get(i) ?? make("div");
      alive.set(i, row);
      row.className = at === active ? "ck-row ck-active" : "ck-row";
      row.id = `${name}-${at}`;
      row.setAttribute("role", "row");
      row.setAttribute("aria-rowindex", at + 2);
      row.setAttribute("aria-selected", at === active);
      row.style.top = `${at * ROW}px`;
      row.dataset.at = at;
      if (row.version !== version) fill(row, i, colour);
      if (body.children[at - first] !== row) body.insertBefore(row, body.children[at - first] ?? null);
    }
    if (active >= 0) box.setAttribute("aria-activedescendant", `${name}-${active}`);
    else box.removeAttribute("aria-activedescendant");
  }

  // A column that says `drop` goes where there is no room, the one with the greatest first.
  function lay() {
    const room = box.clientWidth || el.clientWidth;
    const narrowest = (column) => Number((column.width ?? "112px").match(/[\d.]+(?=px)/)?.[0] ?? 60);
    const need = (all) => all.reduce((sum, column) => sum + narrowest(column) + 14, 14);
    columns = model.get("columns").map((column) => ({ ...column }));
    const goers = columns.filter((c) => c.drop).sort((a, b) => b.drop - a.drop);
    while (room && need(columns) > room && goers.length) columns.splice(columns.indexOf(goers.shift()), 1);
    el.style.setProperty("--ck-columns", columns.map((c) => c.width ?? "minmax(112px, 1fr)").join(" "));
    el.style.setProperty("--ck-narrowest", `${need(columns)}px`); // below that it scrolls sideways, head and rows alike
    box.setAttribute("aria-colcount", columns.length);
    heads();
    const laid = columns.map((column) => column.key).join();
    if (laid !== body.dataset.laid) {
      body.dataset.laid = laid;
      body.replaceChildren();
      alive.clear();
    }
    columns.forEach((column, at) => {
      column.room = Math.max(20, Math.floor(head.children[at].clientWidth - valueWidth(column) - 8));
    });
  }

  function heads() {
    const { key, down } = model.get("sort");
    columns.forEach((column, at) => {
      const made = head.children[at] ?? head.appendChild(make("button"));
      made.className = `ck-head ck-${column.kind}`;
      made.type = "button";
      made.title = `sort by ${column.label}`;
      made.setAttribute("role", "columnheader");
      made.setAttribute("aria-sort", key === column.key ? (down ? "descending" : "ascending") : "none");
      made.replaceChildren(column.label, make("span", "ck-arrow", key === column.key ? (down ? "▼" : "▲") : ""));
      made.onclick = () => {
        const downFirst = !["text", "tags", "id"].includes(column.kind);
        model.set("sort", { key: column.key, down: key === column.key ? !down : downFirst });
        model.save_changes();
        moved = 0;
        box.scrollTop = 0;
      };
    });
    while (head.children.length > columns.length) head.lastChild.remove();
  }

  function update(calm = false) {
    const bytes = model.get("sparks");
    sparks = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    version += 1;
    const quiet = calm && order.length && Date.now() - moved < CALM_MS && order.every((i) => i < rows());
    clearTimeout(later);
    if (quiet) later = setTimeout(update, CALM_MS);
    else arrange();
    lay();
    fit();
    active = chosen === undefined ? -1 : order.findIndex((_, at) => keyOf(at) === chosen);
    paint();
  }

  function choose(at) {
    active = at;
    chosen = keyOf(at);
    paint();
  }

  function tell() {
    if (active < 0) return;
    model.set("clicked", { row: order[active], at: Date.now(), key: chosen });
    model.save_changes();
    body.querySelector(`[data-at="${active}"] a`)?.click();
  }

  box.addEventListener("scroll", () => requestAnimationFrame(paint), { passive: true });
  body.addEventListener("pointermove", () => (moved = Date.now()), { passive: true });
  bar.oninput = () => {
    moved = 0;
    box.scrollTop = 0;
    update();
  };
  body.onclick = (event) => {
    const row = event.target.closest(".ck-row");
    if (!row || !window.getSelection().isCollapsed) return; // marked a text, to copy it
    choose(Number(row.dataset.at));
    if (!event.target.closest("a")) tell();
  };
  box.onkeydown = (event) => {
    const page = Math.max(1, Math.floor(box.clientHeight / ROW) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -order.length, End: order.length };
    const step = event.target === box ? steps[event.key] : undefined;
    if (step && order.length) {
      choose(Math.max(0, Math.min(order.length - 1, active + step)));
      const top = active * ROW;
      if (top < box.scrollTop) box.scrollTop = top;
      else if (top + ROW + HEAD > box.scrollTop + box.clientHeight) box.scrollTop = top + ROW + HEAD - box.clientHeight;
      event.preventDefault();
    } else if (event.key === "Enter" && event.target === box) tell();
  };

  let asked = null;
  const changed = (calm) => {
    if (asked === null) {
      queueMicrotask(() => {
        const calmly = asked;
        asked = null;
        update(calmly);
      });
    }
    asked = (asked ?? true) && calm; // what is set together comes as several changes: one painting
  };
  const fed = () => changed(true);
  const turned = () => changed(false);
  const watched = { cols: fed, sparks: fed, columns: turned, sort: turned, shown: turned, empty: turned, none: turned };
  for (const [what, heard] of Object.entries(watched)) model.on(`change:${what}`, heard);
  let size = "";
  const resized = () => {
    const now = `${el.clientWidth} ${window.innerHeight}`;
    if (now !== size && el.clientWidth) changed(true);
    size = now;
  };
  const resize = new ResizeObserver(resized);
  resize.observe(el);
  window.addEventListener("resize", resized);
  update();
  return () => {
    clearTimeout(later);
    resize.disconnect();
    window.removeEventListener("resize", resized);
    for (const [what, heard] of Object.entries(watched)) model.off(`change:${what}`, heard);
  };
}

export default { render };
