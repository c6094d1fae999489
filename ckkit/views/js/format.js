// How numbers and levels are written in a table: short, and as wide from tick to tick as they can be.
const LEVELS = { ok: ["●", "ok"], pending: ["◔", "pending"], nodata: ["○", "no data"], warn: ["▲", "warn"], critical: ["■", "critical"] };
const RANKS = Object.keys(LEVELS);
const LADDERS = {
  bytes: [[1, "B"], [2 ** 10, "KiB"], [2 ** 20, "MiB"], [2 ** 30, "GiB"], [2 ** 40, "TiB"], [2 ** 50, "PiB"]],
  seconds: [[1e-6, "µs"], [1e-3, "ms"], [1, "s"], [60, "min"], [3600, "h"], [86400, "d"]],
};

function digits(number) {
  const size = Math.abs(number);
  if (Number.isInteger(number) || size >= 99.95) return Math.round(number).toLocaleString("en");
  return size >= 0.0995 ? number.toFixed(1) : number.toPrecision(1);
}

export function gone(value) {
  return value === null || value === undefined || Number.isNaN(value);
}

// 0.123 of `ratio` is "12 %", 4.5e9 of `bytes` "4.2 GiB", 3e-3 of `seconds` "3.0 ms"; what is not there is a dash.
export function show(value, unit = "") {
  if (gone(value)) return "–";
  if (unit === "ratio") return `${(value * 100).toFixed(Math.abs(value) < 0.0995 ? 1 : 0)} %`;
  const [base, per] = unit.split("/");
  const ladder = LADDERS[base];
  if (!ladder) return `${Number.isInteger(value) ? digits(value) : value.toFixed(Math.abs(value) < 9.995 ? 2 : 1)} ${unit}`.trim();
  const written = ladder.findLast(([size]) => Math.abs(value) >= size * 0.9995); // 1023.9 KiB would be rounded to 1,024
  const [size, name] = written ?? (value ? ladder[0] : [1, base === "bytes" ? "B" : "s"]);
  return `${digits(value / size)} ${name}${per ? `/${per}` : ""}`;
}

// Missing values come last, whichever way it is sorted; of texts web2 comes before web10.
export function compare(a, b, down) {
  if (gone(a) || gone(b)) return gone(a) - gone(b);
  const by = typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a < b ? -1 : a > b ? 1 : 0;
  return down ? -by : by;
}

function make(tag, className = "", text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
