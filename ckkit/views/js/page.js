// The page in the browser: says hello with the state in its URL, beats while somebody can see it, and keeps the URL and
// the title as the kernel says. A kernel that hears no beat stops watching the hub, becomes idle, and is ended.
// Where no answer comes to a beat, it asks the server: a kernel that is gone, or was started again and knows nothing, comes
// back with the page, by a reload, as all there is to know of a page stands in its URL; a server that is gone is waited for.
const BEAT_MS = 5000;
const PATIENCE_MS = 12000;
const LOST_MS = 45000; // a kernel may be busy for as long as the hub's limit of a read
const AWAY = "The dashboards do not answer. The page goes on by itself when they do (`ckkit status`, `ckkit logs dashboards`).";
const REFUSED = "This page needs a token again: open the address that `./ck up` printed (`ckkit status --tokens`).";

function kernelUrl() {
  const found = document.getElementById("jupyter-config-data");
  if (!found || !window.location.pathname.includes("/voila/")) return null; // in JupyterLab all of this is its own
  const { baseUrl, kernelId } = JSON.parse(found.textContent);
  return kernelId ? `${baseUrl}api/kernels/${kernelId}` : null;
}

function render({ model, el }) {
  el.classList.add("ck-page");
  const problem = document.createElement("div");
  problem.className = "ck-problem";
  problem.setAttribute("role", "alert");
  el.append(problem);
  const kernel = kernelUrl();
  let away = "";
  let heard = Date.now();
  let lost = false;
  let asking = false;

  const tell = () => {
    problem.textContent = away || model.get("problem");
    problem.hidden = !problem.textContent;
    document.body.classList.toggle("ck-away", !problem.hidden);
  };

  async function ask() {
    if (asking) return;
    asking = true; // until it is answered; for good, where the page is loaded again
    let status = 0;
    try {
      status = (await fetch(kernel, { cache: "no-store", redirect: "error" })).status;
    } catch {
      status = 0; // nobody there
    }
    if (status === 404 || (status === 200 && lost)) return window.location.reload();
    asking = false;
    away = status === 200 ? "" : status === 403 ? REFUSED : AWAY;
    tell();
  }

  const say = (kind) => {
    try {
      model.send({ kind, search: kernel ? window.location.search : "" });
    } catch {
      lost = true; // the kernel was started again: nobody there to be told
    }
  };
  const beat = () => {
    if (document.visibilityState !== "visible") return;
    say("beat");
    const silent = Date.now() - heard;
    lost ||= silent > LOST_MS;
    if (kernel && (lost || silent > PATIENCE_MS)) ask();
  };
  const answered = () => {
    heard = Date.now();
    if (away) {
      away = "";
      tell();
    }
  };
  const write = () => {
    if (!kernel) return;
    const url = new URL(window.location.href);
    url.search = new URLSearchParams(Object.entries(model.get("state")).filter(([, v]) => v !== "")).toString();
    if (url.href !== window.location.href) window.history.replaceState(null, "", url);
  };
  const name = () => {
    if (kernel && model.get("title")) document.title = model.get("title");
  };

  const told = { problem: tell, state: write, title: name, beats: answered };
  for (const [what, hear] of Object.entries(told)) model.on(`change:${what}`, hear);
  document.addEventListener("visibilitychange", beat);
  window.addEventListener("online", beat);
  const timer = setInterval(beat, BEAT_MS);
  tell();
  name();
  say("hello");
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", beat);
    window.removeEventListener("online", beat);
    for (const [what, hear] of Object.entries(told)) model.off(`change:${what}`, hear);
  };
}

export default { render };
