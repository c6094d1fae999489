// A table of up to some ten thousand rows: only those in sight are in the document. Sorts, filters, draws sparklines.
// Rows come as columns (`cols`), sparklines as one buffer of float32: spark column × row × point, NaN where there is none.
const ROW = 30;
const SPARK_W = 72;
const SPARK_H = 20;
const LEVELS = { ok: ["●", 0], nodata: ["○", 1], warn: ["▲", 2], critical: ["■", 3], pending: ["◔", 1] };
const LADDERS = {
  bytes: [[1, "B"], [2 ** 10, "KiB"], [2 ** 20, "MiB"], [2 ** 30, "GiB"], [2 ** 40, "TiB"]],
  seconds: [[1e-6, "µs"], [1e-3, "ms"], [1, "s"], [60, "min"], [3600, "h"], [86400, "d"]],
};

function digits(number) {
  const size = Math.abs(number);
  if (Number.isInteger(number) || size >= 99.95) return Math.round(number).toLocaleString("en");
  if (size >= 9.995) return number.toFixed(1);
  return size >= 0.9995 ? number.toFixed(1) : number.toPrecision(2);
}

export function show(value, unit) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (unit === "ratio") return `${(value * 100).toFixed(value < 0.0995 ? 1 : 0)} %`;
  const [base, per] = (unit || "").split("/");
  const ladder = LADDERS[base];
  if (!ladder) return `${value !== 0 && Math.abs(value) < 0.995 ? value.toFixed(2) : digits(value)}${unit ? ` ${unit}` : ""}`;
  const step = ladder.findLast(([size]) => Math.abs(value) >= size) ?? ladder[base === "bytes" ? 0 : 2];
  return `${digits(value / step[0])} ${step[1]}${per ? `/${per}` : ""}`;
}

function spark(canvas, values, ratio, colour) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = SPARK_W * scale;
  canvas.height = SPARK_H * scale;
  const top = ratio ? 1 : Math.max(...values.filter((v) => !Number.isNaN(v)), 0) * 1.1 || 1;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.strokeStyle = pen.fillStyle = colour;
  pen.lineWidth = 1.25;
  const x = (i) => 1 + (i * (SPARK_W - 2)) / Math.max(values.length - 1, 1);
  const y = (v) => SPARK_H - 1.5 - Math.min(v / top, 1) * (SPARK_H - 4);
  let start = -1;
  const end = (i) => {
    if (start < 0) return;
    pen.globalAlpha = 1;
    pen.stroke();
    pen.lineTo(x(i - 1), SPARK_H - 1);
    pen.lineTo(x(start), SPARK_H - 1);
    pen.globalAlpha = 0.14;
    pen.fill();
    start = -1;
  };
  values.forEach((v, i) => {
    if (Number.isNaN(v)) return end(i);
    if (start < 0) {
      start = i;
      pen.beginPath();
      pen.moveTo(x(i), y(v));
      if (i === values.length - 1 || Number.isNaN(values[i + 1])) pen.lineTo(x(i) + 1.5, y(v)); // one point alone is a dot
    } else pen.lineTo(x(i), y(v));
  });
  end(values.length);
}

function make(tag, className, text) {
  const found = document.createElement(tag);
  if (className) found.className = className;
  if (text !== undefined) found.textContent = text;
  return found;
}

function render({ model, el }) {
  el.classList.add("ck-grid");
  const bar = make("input", "ck-grid-filter");
  bar.type = "search";
  bar.placeholder = model.get("placeholder") || "filter";
  bar.setAttribute("aria-label", bar.placeholder);
  bar.hidden = !model.get("searchable");
  const box = make("div", "ck-grid-box");
  box.tabIndex = 0;
  box.setAttribute("role", "grid");
  const head = make("div", "ck-grid-head");
  head.setAttribute("role", "row");
  const body = make("div", "ck-grid-body");
  const empty = make("div", "ck-grid-empty");
  box.append(head, body, empty);
  el.append(bar, box);

  let order = [];
  let active = -1;
  let painted = "";
  const columns = () => model.get("columns");
  const values = (key) => model.get("cols")[key] ?? [];
  const rows = () => values(columns()[0]?.key).length;
  let sparks = new Float32Array();

  const rank = (column, value) => (column.kind === "level" ? (LEVELS[value]?.[1] ?? -1) : value);
  function compare(a, b) {
    const missing = (v) => v === null || v === undefined || Number.isNaN(v);
    if (missing(a) || missing(b)) return missing(a) === missing(b) ? 0 : missing(a) ? 1 : -1; // what is missing comes last
    return typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a < b ? -1 : a > b ? 1 : 0;
  }

  function arrange() {
    const words = bar.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = model.get("shown");
    const texts = columns().filter((c) => c.kind === "text" || c.kind === "tags").map((c) => values(c.key));
    const has = (i, word) => texts.some((v) => String(v[i]).toLowerCase().includes(word));
    const all = shown ?? Array.from({ length: rows() }, (_, i) => i);
    order = words.length ? all.filter((i) => words.every((word) => has(i, word))) : [...all];
    const { key, down } = model.get("sort");
    const column = columns().find((c) => c.key === key);
    if (column) {
      const v = values(key).map((one) => rank(column, one));
      order.sort((a, b) => {
        const gone = [a, b].map((i) => v[i] === null || Number.isNaN(v[i]));
        const by = compare(v[a], v[b]);
        return (down && !gone[0] && !gone[1] ? -by : by) || a - b;
      });
    }
    body.style.height = `${order.length * ROW}px`;
    box.style.height = `${Math.min(model.get("height"), order.length * ROW + 36)}px`;
    empty.textContent = order.length ? "" : rows() ? model.get("none") : model.get("empty");
    empty.hidden = order.length > 0;
    active = Math.min(active, order.length - 1);
    paint(true);
  }

  function cell(column, i, at) {
    const value = values(column.key)[i];
    const made = make("div", `ck-cell ck-${column.kind}`);
    made.setAttribute("role", "gridcell");
    if (column.kind === "level") {
      made.classList.add(`ck-level-${value}`);
      made.append(make("span", "ck-mark", LEVELS[value]?.[0] ?? ""), ` ${value === "nodata" ? "no data" : value}`);
    } else if (column.kind === "tags") {
      for (const tag of value ?? []) made.append(make("span", "ck-tag", tag));
      made.title = (value ?? []).join(", ");
    } else if (column.kind === "spark") {
      made.append(make("span", "ck-value", show(value, column.unit)));
      const n = model.get("points");
      const from = (column.spark * rows() + i) * n;
      const canvas = make("canvas");
      canvas.style.width = `${SPARK_W}px`;
      canvas.style.height = `${SPARK_H}px`;
      made.append(canvas);
      spark(canvas, Array.from(sparks.subarray(from, from + n)), column.unit === "ratio", at);
    } else if (column.kind === "number" || column.kind === "count") {
      made.textContent = show(value, column.unit);
    } else if (column.link) {
      const link = make("a", "", value);
      link.href = `${model.get("base")}${column.link}${encodeURIComponent(value)}`;
      link.tabIndex = -1;
      made.append(link);
    } else {
      made.textContent = value ?? "";
      made.title = value ?? "";
    }
    return made;
  }

  function paint(force) {
    const first = Math.max(0, Math.floor(box.scrollTop / ROW) - 6);
    const last = Math.min(order.length, first + Math.ceil(box.clientHeight / ROW) + 12);
    const what = `${first}:${last}`;
    if (!force && what === painted) return;
    painted = what;
    const colour = getComputedStyle(el).getPropertyValue("--ck-line").trim() || "#2f81d8";
    const made = document.createDocumentFragment();
    for (let at = first; at < last; at++) {
      const row = make("div", at === active ? "ck-row ck-active" : "ck-row");
      row.setAttribute("role", "row");
      row.setAttribute("aria-rowindex", at + 2);
      row.style.top = `${at * ROW}px`;
      row.dataset.at = at;
      for (const column of columns()) row.append(cell(column, order[at], colour));
      made.append(row);
    }
    body.replaceChildren(made);
    el.dataset.rows = order.length;
  }

  function heads() {
    const { key, down } = model.get("sort");
    const widths = columns().map((c) => c.width ?? (c.kind === "spark" ? "138px" : "minmax(80px, 1fr)"));
    el.style.setProperty("--ck-columns", widths.join(" "));
    const narrowest = widths.reduce((sum, width) => sum + Number(width.match(/[\d.]+(?=px)/)?.[0] ?? 80) + 14, 14);
    el.style.setProperty("--ck-narrowest", `${narrowest}px`); // below that it scrolls sideways, head and rows alike
    head.replaceChildren(
      ...columns().map((column) => {
        const made = make("button", `ck-head ck-${column.kind}`, column.label);
        made.type = "button";
        made.setAttribute("role", "columnheader");
        made.setAttribute("aria-sort", key === column.key ? (down ? "descending" : "ascending") : "none");
        if (key === column.key) made.append(make("span", "ck-arrow", down ? " ▼" : " ▲"));
        made.onclick = () => {
          const numbers = !["text", "tags"].includes(column.kind);
          model.set("sort", { key: column.key, down: key === column.key ? !down : numbers });
          model.save_changes();
        };
        return made;
      })
    );
    box.setAttribute("aria-colcount", columns().length);
    box.setAttribute("aria-rowcount", rows() + 1);
  }

  function choose(at) {
    const index = order[at];
    if (index === undefined) return;
    model.set("clicked", { row: index, at: Date.now(), key: values(model.get("key"))[index] ?? null });
    model.save_changes();
  }

  function update() {
    const bytes = model.get("sparks");
    sparks = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    heads();
    arrange();
  }

  box.addEventListener("scroll", () => requestAnimationFrame(() => paint(false)));
  bar.oninput = () => {
    box.scrollTop = 0;
    arrange();
  };
  body.onclick = (event) => {
    const row = event.target.closest(".ck-row");
    if (!row) return;
    active = Number(row.dataset.at);
    paint(true);
    if (!event.target.closest("a")) choose(active);
  };
  box.onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12 }[event.key];
    if (step) {
      active = Math.max(0, Math.min(order.length - 1, active + step));
      const top = active * ROW;
      if (top < box.scrollTop) box.scrollTop = top;
      if (top + ROW > box.scrollTop + box.clientHeight - 36) box.scrollTop = top + ROW - box.clientHeight + 36;
      paint(true);
      event.preventDefault();
    } else if (event.key === "Enter" && active >= 0) {
      const link = body.querySelector(`[data-at="${active}"] a`);
      if (link) link.click();
      else choose(active);
    }
  };

  let asked = false;
  const changed = () => {
    if (asked) return;
    asked = true; // what is set together comes as several changes: one painting
    queueMicrotask(() => {
      asked = false;
      update();
    });
  };
  const watched = ["cols", "sparks", "columns", "sort", "shown", "empty", "none"].map((name) => `change:${name}`);
  for (const name of watched) model.on(name, changed);
  const resize = new ResizeObserver(() => paint(true));
  resize.observe(box);
  update();
  return () => {
    resize.disconnect();
    for (const name of watched) model.off(name, changed);
  };
}

export default { render };
