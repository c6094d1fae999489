// The bar, and the theme: as the system has it, until somebody chooses. Both of JupyterLab's themes are linked, and the
// light one, which comes last, holds or does not.
(() => {
  const KEY = "ckkit-theme";
  const system = window.matchMedia("(prefers-color-scheme: light)");
  const button = document.getElementById("ck-theme");
  const chosen = () => window.localStorage.getItem(KEY) ?? "system";

  function apply() {
    const light = chosen() === "system" ? system.matches : chosen() === "light";
    const sheet = document.getElementById("ck-light");
    if (sheet) sheet.media = light ? "all" : "not all";
    document.documentElement.style.colorScheme = light ? "light" : "dark";
    document.body.classList.toggle("theme-light", light);
    document.body.classList.toggle("theme-dark", !light);
    document.body.dataset.jpThemeName = light ? "JupyterLab Light" : "JupyterLab Dark";
    document.body.dataset.jpThemeLight = light;
    button.textContent = `◐ ${chosen()}`;
  }

  button.onclick = () => {
    const next = { system: "light", light: "dark", dark: "system" }[chosen()];
    if (next === "system") window.localStorage.removeItem(KEY);
    else window.localStorage.setItem(KEY, next);
    apply();
  };
  system.addEventListener("change", apply);
  window.addEventListener("storage", apply);
  apply();
  for (const link of document.querySelectorAll("#ck-nav a")) {
    if (link.pathname === window.location.pathname) link.setAttribute("aria-current", "page");
  }
  document.getElementById("loading")?.classList.add("ck-coming");
})();
