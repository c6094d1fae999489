// The page in the browser: says hello with the state in its URL, beats while somebody can see it, and keeps the URL
// as the kernel says. A kernel that hears no beat stops watching the hub, becomes idle, and is ended.
const BEAT_MS = 5000;

function render({ model, el }) {
  el.classList.add("ck-page");
  const problem = document.createElement("div");
  problem.className = "ck-problem";
  problem.setAttribute("role", "alert");
  el.append(problem);

  const say = (kind) => model.send({ kind, search: window.location.search });
  const beat = () => document.visibilityState === "visible" && say("beat");
  const tell = () => {
    problem.textContent = model.get("problem");
    problem.hidden = !model.get("problem");
  };
  const write = () => {
    if (!window.location.pathname.includes("/voila/")) return; // in JupyterLab the URL is not ours
    const url = new URL(window.location.href);
    url.search = new URLSearchParams(Object.entries(model.get("state")).filter(([, v]) => v !== "")).toString();
    if (url.href !== window.location.href) window.history.replaceState(null, "", url);
  };

  model.on("change:problem", tell);
  model.on("change:state", write);
  document.addEventListener("visibilitychange", beat);
  const timer = setInterval(beat, BEAT_MS);
  tell();
  say("hello");
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", beat);
    model.off("change:problem", tell);
    model.off("change:state", write);
  };
}

export default { render };
