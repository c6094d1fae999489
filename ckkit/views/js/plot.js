// Plotly figures, side by side, that are the model's state, so that a page that comes late sees all of them.
// plotly.js is 5 MB: loaded once a page, from a URL where the page has one, else once from the kernel.

function script(set) {
  return new Promise((done, failed) => {
    const tag = document.createElement("script");
    const define = window.define; // plotly.js would hand itself to an AMD loader instead of to the window
    window.define = undefined;
    const back = (next) => () => {
      window.define = define;
      next();
    };
    tag.onload = back(done);
    tag.onerror = back(() => failed(new Error(`cannot load ${tag.src}`)));
    set(tag);
    document.head.append(tag);
  });
}

async function fromUrls(urls) {
  if (!window.location.pathname.includes("/voila/")) return null; // JupyterLab's server has none
  for (const url of urls) {
    try {
      await script((tag) => (tag.src = url));
      if (window.Plotly) return window.Plotly;
    } catch {
      continue; // the next one, and in the end the kernel, has it
    }
  }
  return null;
}

function fromKernel(model) {
  return new Promise((done) => {
    const heard = async (message, buffers) => {
      if (message.kind !== "plotly") return;
      model.off("msg:custom", heard);
      const url = URL.createObjectURL(new Blob([buffers[0]], { type: "text/javascript" }));
      await script((tag) => (tag.src = url));
      URL.revokeObjectURL(url);
      done(window.Plotly);
    };
    model.on("msg:custom", heard);
    model.send({ kind: "need plotly" });
  });
}

function plotly(model) {
  window.ckkitPlotly ??= (async () => window.Plotly ?? (await fromUrls(model.get("urls"))) ?? fromKernel(model))();
  return window.ckkitPlotly;
}

function ink(el) {
  return getComputedStyle(el).getPropertyValue("--jp-ui-font-color1").trim() || getComputedStyle(el).color;
}

async function render({ model, el }) {
  el.classList.add("ck-plot");
  el.style.setProperty("--ck-plot-width", model.get("narrowest"));
  const Plotly = await plotly(model);
  const boxes = [];

  function box(index) {
    if (boxes[index]) return boxes[index];
    const made = document.createElement("div");
    el.append(made);
    boxes[index] = made;
    return made;
  }

  async function drawOne(figure, index) {
    const at = box(index);
    const layout = structuredClone(figure.layout);
    layout.font = { ...layout.font, color: ink(el) };
    layout.width = at.clientWidth || undefined;
    layout.uirevision ??= "the same"; // what somebody zoomed into stays, whatever comes
    const now = JSON.stringify([figure.data, layout]);
    if (at.drawn === now) return;
    at.drawn = now;
    await Plotly.react(at, structuredClone(figure.data), layout, { displaylogo: false, displayModeBar: false });
    if (at.dataset.heard) return;
    at.dataset.heard = "yes";
    at.on("plotly_click", ({ points }) =>
      model.send({ kind: "click", points: points.map((p) => ({ figure: index, curve: p.curveNumber, x: p.x, y: p.y })) })
    );
  }

  let drawing = Promise.resolve();
  const draw = () => {
    drawing = drawing.then(async () => {
      const figures = model.get("figures");
      for (const gone of boxes.splice(figures.length)) {
        Plotly.purge(gone);
        gone.remove();
      }
      figures.forEach((_, index) => box(index)); // all of them are there before the first is as wide as it will be
      for (const [index, figure] of figures.entries()) await drawOne(figure, index);
      el.dataset.drawn = figures.length;
    });
    return drawing;
  };
  await draw();
  model.on("change:figures", draw);
  let width = el.clientWidth;
  const resize = new ResizeObserver(() => {
    if (!el.clientWidth || el.clientWidth === width) return; // hidden, or not wider: nothing to draw
    width = el.clientWidth;
    draw();
  });
  resize.observe(el);
  const repainted = new MutationObserver(draw); // another theme has another ink
  repainted.observe(document.body, { attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
  return () => {
    resize.disconnect();
    repainted.disconnect();
    model.off("change:figures", draw);
    boxes.forEach((one) => Plotly.purge(one));
  };
}

export default { render };
