"""
The JavaScript of the widgets in a real browser, each by itself: ten thousand rows, keys, updates, what a page says.

The kernel's side is a page's own copy of anywidget's model: state with listeners. `test_pages.py` has the real one.
"""

import array
import json
import math

import pytest

from ckkit.views.assets import CSS, plotly_js, script

sync_api = pytest.importorskip("playwright.sync_api")

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
SITE = "http://ckkit.test"
KERNEL = "0f0f"
PAGE = f"""<!DOCTYPE html><html><head><style>{CSS.read_text()}</style></head>
<body data-jp-theme-light="false" style="margin:0;color:#eee;background:#111">
<script id="jupyter-config-data" type="application/json">{{"baseUrl": "/", "kernelId": "{KERNEL}"}}</script>
<script>
window.widget = async (text, state, id) => {{
  const heard = {{}}, said = [];
  for (const [key, value] of Object.entries(state)) if (value?.floats) state[key] = new DataView(Float32Array.from(
    value.floats.map((v) => v ?? NaN)).buffer);
  const model = {{
    state, said, get: (key) => state[key], save_changes: () => {{}},
    on: (what, call) => (heard[what] ??= new Set()).add(call), off: (what, call) => heard[what]?.delete(call),
    send: (message) => said.push(message),
    set: (key, value) => {{ state[key] = value; heard[`change:${{key}}`]?.forEach((call) => call()); }},
    custom: (message, buffers) => heard["msg:custom"]?.forEach((call) => call(message, buffers)),
  }};
  const el = document.createElement("div");
  el.id = id;
  document.body.append(el);
  window.made = {{ ...window.made, [id]: model }};
  const url = URL.createObjectURL(new Blob([text], {{ type: "text/javascript" }}));
  const module = await import(url);
  window.show = module.show ?? window.show;
  model.end = await module.default.render({{ model, el }});
}};
</script></body></html>"""
NOTHING = "\N{EN DASH}"
GRID = {
    "columns": [], "cols": {}, "sparks": {"floats": []}, "points": 0, "shown": None, "sort": {}, "key": "name",
    "base": "/x/", "height": 400, "searchable": True, "placeholder": "", "empty": "nothing here",
    "none": "nothing matches", "clicked": {},
}  # fmt: skip
TEXT = {"key": "name", "label": "node", "kind": "text", "width": "minmax(90px, 1fr)"}


@pytest.fixture(scope="module")
def chromium(needs):
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(needs("chromium")), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    context = chromium.new_context(viewport={"width": 1000, "height": 700})
    found = context.new_page()
    errors = []
    found.on("pageerror", lambda error: errors.append(str(error)))
    found.route(f"{SITE}/**", lambda route: route.fulfill(content_type="text/html", body=PAGE))
    found.goto(f"{SITE}/voila/render/x.ipynb?node=web0&token=s3cret")
    yield found
    context.close()
    assert errors == []


def widget(page, names, state, name="it"):
    page.evaluate("([text, state, id]) => window.widget(text, state, id)", [script(*names), state, name])


def grid(page, **state):
    widget(page, ("format", "spark", "grid"), {**GRID, **state})
    return page.locator("#it")


def change(page, **state):
    page.evaluate("(state) => { for (const [k, v] of Object.entries(state)) made.it.set(k, v) }", state)
    page.evaluate("() => new Promise((done) => setTimeout(done, 0))")


def told(page, key):
    return page.evaluate(f"made.it.state.{key}")


def names(page):
    """The names of the rows in the document, from the top."""
    return page.locator(".ck-row .ck-text").all_inner_texts()


def many(count=10_000):
    return [f"n{i:05}" for i in range(count)]


def test_of_ten_thousand_rows_those_in_sight_are_in_the_document(page):
    grid(page, columns=[TEXT], cols={"name": many()})
    assert page.locator(".ck-row").count() < 60
    assert page.locator(".ck-grid-box").get_attribute("aria-rowcount") == "10001"
    page.locator(".ck-grid-box").evaluate("(box) => box.scrollTo(0, 1e9)")
    page.get_by_text("n09999").wait_for()
    assert page.locator(".ck-row").count() < 60


def test_a_head_sorts_numbers_from_the_top_texts_from_a_and_what_is_missing_comes_last(page):
    cpu = {"key": "cpu", "label": "CPU", "kind": "number", "unit": "ratio"}
    level = {"key": "level", "label": "level", "kind": "level"}
    cols = {"name": ["web10", "web2", "db"], "cpu": [0.1, None, 0.9], "level": ["ok", "critical", "warn"]}
    grid(page, columns=[TEXT, cpu, level], cols=cols)
    for head, order in (
        ("CPU", ["db", "web10", "web2"]),
        ("CPU", ["web10", "db", "web2"]),
        ("node", ["db", "web2", "web10"]),
        ("level", ["web2", "db", "web10"]),
    ):
        page.get_by_role("columnheader", name=head).click()
        assert names(page) == order
    assert page.get_by_role("columnheader", name="level").get_attribute("aria-sort") == "descending"


def test_words_filter_in_all_texts_and_it_says_how_many_are_left(page):
    user = {"key": "user", "label": "user", "kind": "text"}
    grid(page, columns=[TEXT, user], cols={"name": ["nginx", "sshd", "node"], "user": ["www", "root", "root"]})
    page.get_by_role("searchbox").fill("ROOT n")
    assert page.locator(".ck-row").count() == 1 and page.locator(".ck-told").inner_text() == "1 of 3"
    page.get_by_role("searchbox").fill("apache")
    assert page.locator(".ck-grid-empty").inner_text() == "nothing matches"


def test_keys_choose_a_row_keep_it_in_sight_and_tell_it(page):
    grid(page, columns=[TEXT], cols={"name": many(500)})
    box = page.locator(".ck-grid-box")
    box.focus()
    for key, at in (("ArrowDown", 0), ("ArrowDown", 1), ("End", 499), ("ArrowUp", 498), ("Home", 0), ("PageDown", 11)):
        page.keyboard.press(key)
        chosen = page.locator(".ck-active")
        assert chosen.locator(".ck-text").inner_text() == f"n{at:05}"
        assert box.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
        seen = box.bounding_box(), chosen.bounding_box()
        assert seen[0]["y"] + 34 <= seen[1]["y"] + 1 and seen[1]["y"] + 30 <= seen[0]["y"] + seen[0]["height"] + 1
    page.keyboard.press("Enter")
    assert (told(page, "clicked.row"), told(page, "clicked.key")) == (11, "n00011")


def test_an_update_keeps_scroll_sort_and_choice_and_the_rows_in_the_document(page):
    load = {"key": "load", "label": "load", "kind": "number", "unit": ""}
    cols = {"name": many(500), "load": list(range(500))}
    grid(page, columns=[TEXT, load], cols=cols, sort={"key": "load", "down": True})
    box = page.locator(".ck-grid-box")
    box.evaluate("(box) => box.scrollTo(0, 3000)")
    page.locator(".ck-row", has_text="n00395").click()
    page.mouse.move(500, 680)
    page.locator(".ck-active").evaluate("(row) => { row.mark = 1 }")
    page.wait_for_timeout(1600)  # rows do not move under a pointer that just moved
    change(page, cols={**cols, "load": [1000 if i == 7 else i for i in range(500)]})
    assert box.evaluate("(box) => box.scrollTop") == 3000
    assert page.locator(".ck-active .ck-text").inner_text() == "n00395"
    assert page.locator(".ck-active").evaluate("(row) => row.mark") == 1
    box.evaluate("(box) => box.scrollTo(0, 0)")
    page.get_by_text("n00007").wait_for()
    assert names(page)[:2] == ["n00007", "n00499"]


def test_rows_do_not_move_under_the_pointer_and_move_when_it_rests(page):
    load = {"key": "load", "label": "load", "kind": "number", "unit": ""}
    grid(page, columns=[TEXT, load], cols={"name": ["a", "b"], "load": [2, 1]}, sort={"key": "load", "down": True})
    page.locator(".ck-row").first.hover()
    change(page, cols={"name": ["a", "b"], "load": [2, 3]})
    assert names(page) == ["a", "b"] and page.locator(".ck-row").nth(1).locator(".ck-number").inner_text() == "3"
    page.wait_for_function("document.querySelector('.ck-row .ck-text').textContent === 'b'", timeout=4000)


def test_a_line_is_drawn_and_broken_where_nothing_was_measured(page):
    points = [0.5] * 20 + [None] * 20 + [0.5] * 20
    spark = {"key": "cpu", "label": "CPU", "kind": "spark", "unit": "ratio", "spark": 0, "width": "200px"}
    sparks = {"floats": points + [None] * 60}
    grid(page, columns=[TEXT, spark], cols={"name": ["a", "b"], "cpu": [0.5, None]}, sparks=sparks, points=60)
    inked = """(row) => { const c = row.querySelector("canvas");
        const p = c.getContext("2d").getImageData(0, 0, c.width, c.height);
        return [0.15, 0.5, 0.85].map((part) => { const x = Math.round(c.width * part); let ink = 0;
        for (let y = 0; y < c.height; y++) ink += p.data[(y * c.width + x) * 4 + 3] > 0; return ink > 0; }); }"""
    assert page.locator(".ck-row").nth(0).evaluate(inked) == [True, False, True]
    assert page.locator(".ck-row").nth(1).evaluate(inked) == [False] * 3
    assert page.locator(".ck-row .ck-value").all_inner_texts() == ["50 %", NOTHING]


NUMBERS = [
    (0.123, "ratio", "12 %"),
    (0.0123, "ratio", "1.2 %"),
    (1, "ratio", "100 %"),
    (4.5e9, "bytes", "4.2 GiB"),
    (1048575, "bytes", "1.0 MiB"),  # not 1,024 KiB
    (0, "bytes/s", "0 B/s"),
    (512, "bytes/s", "512 B/s"),
    (0.0031, "seconds", "3.1 ms"),
    (0, "seconds", "0 s"),
    (5400, "seconds", "1.5 h"),
    (1234567, "", "1,234,567"),
    (0.4567, "", "0.46"),
    (12.34, "", "12.3"),
    (3.5, "requests/s", "3.50 requests/s"),
    (None, "bytes", NOTHING),
]


def test_a_number_is_written_with_its_unit(page):
    grid(page)
    written = page.evaluate("(numbers) => numbers.map(([value, unit]) => show(value, unit))", NUMBERS)
    assert written == [text for _, _, text in NUMBERS]


def test_where_there_is_no_room_columns_go_in_their_order(page):
    columns = [TEXT, {**TEXT, "key": "tags", "label": "tags", "kind": "tags", "drop": 2, "width": "200px"}]
    columns += [{**TEXT, "key": key, "label": key, "width": "200px"} for key in ("a", "b")]
    columns += [{**TEXT, "key": "c", "label": "c", "width": "200px", "drop": 1}]
    grid(page, columns=columns, cols={"name": ["x"], "tags": [["t"]], "a": [""], "b": [""], "c": [""]})
    for width, heads in (
        (1000, ["node", "tags", "a", "b", "c"]),
        (850, ["node", "a", "b", "c"]),
        (600, ["node", "a", "b"]),
    ):
        page.set_viewport_size({"width": width, "height": 700})
        shown = "[...document.querySelectorAll('.ck-head')].map((head) => head.innerText.trim()).join()"
        page.wait_for_function(f"{shown} === '{','.join(heads)}'")


def test_what_comes_from_outside_is_text_and_a_link_leads_to_it(page):
    name = "<img src=x onerror=alert(1)>"
    linked = {**TEXT, "link": "node.ipynb?node="}
    grid(
        page,
        columns=[linked, {**TEXT, "key": "tags", "kind": "tags", "label": "tags"}],
        cols={"name": [name], "tags": [[name]]},
    )
    assert page.locator(".ck-row img").count() == 0
    assert page.locator(".ck-row a").inner_text() == name
    assert page.locator(".ck-row a").get_attribute("href") == "node.ipynb?node=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E"


def test_a_choice_of_the_tally_is_told_taken_back_and_a_long_group_opens(page):
    items = [{"label": f"tag{i}", "count": 1000 - i, "query": f"tag:tag{i}"} for i in range(20)]
    widget(page, ("format", "tally"), {"groups": [{"title": "tags", "items": items}], "chosen": ""})
    assert page.locator("#it button").count() == 13
    page.get_by_role("button", name="8 more").click()
    assert page.locator("#it button").count() == 20 and page.get_by_text("1,000").count() == 1
    page.get_by_role("button", name="tag3").click()
    assert told(page, "chosen") == "tag:tag3"
    assert page.get_by_role("button", name="tag3").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="tag3").click()
    assert told(page, "chosen") == ""


STATE = {"state": {}, "title": "", "problem": "", "beats": 0}


def said(page):
    return page.evaluate("made.it.said.map((message) => message.kind)")


def test_a_page_says_hello_beats_while_it_is_seen_and_writes_its_state_into_the_url(page):
    page.clock.install()
    widget(page, ("page",), dict(STATE))
    assert page.evaluate("made.it.said[0]") == {"kind": "hello", "search": "?node=web0&token=s3cret"}
    page.clock.run_for(10_500)
    assert said(page) == ["hello", "beat", "beat"]
    change(page, state={"q": "tag:web", "empty": ""}, title="web0 · ckkit")
    assert page.evaluate("location.search") == "?q=tag%3Aweb" and page.title() == "web0 · ckkit"
    page.evaluate("Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true})")
    page.clock.run_for(10_500)
    assert said(page).count("beat") == 2
    page.evaluate("delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange'))")
    assert said(page).count("beat") == 3


def test_a_problem_is_said_above_and_taken_back(page):
    widget(page, ("page",), {**STATE, "problem": "The hub is away."})
    assert page.get_by_role("alert").inner_text() == "The hub is away."
    change(page, problem="")
    assert page.get_by_role("alert").count() == 0


@pytest.mark.parametrize(
    ("answer", "words"),
    [("gone", "The dashboards do not answer"), (403, "needs a token again"), (200, "")],
)
def test_a_kernel_that_is_silent_is_asked_for(page, answer, words):
    asked = []

    def kernel(route):
        asked.append(route.request.url)
        route.abort() if answer == "gone" else route.fulfill(status=answer, body="{}")

    page.route(f"{SITE}/api/kernels/*", kernel)
    page.clock.install()
    widget(page, ("page",), dict(STATE))
    page.clock.run_for(10_500)
    assert asked == []
    page.clock.run_for(5_000)
    page.wait_for_function(f"document.querySelector('.ck-problem').textContent.includes({json.dumps(words)})")
    assert asked == [f"{SITE}/api/kernels/{KERNEL}"]
    change(page, beats=1)
    assert page.get_by_role("alert").count() == 0


@pytest.mark.parametrize(("answer", "silent_s"), [(404, 16), (200, 51)])
def test_a_page_whose_kernel_is_gone_or_knows_it_no_more_loads_itself_again(page, answer, silent_s):
    page.route(f"{SITE}/api/kernels/*", lambda route: route.fulfill(status=answer, body="{}"))
    page.clock.install()
    widget(page, ("page",), dict(STATE))
    with page.expect_navigation():
        page.clock.run_for(silent_s * 1000)


FIGURE = {
    "data": [{"type": "scatter", "x": [1, 2, 3], "y": [1, 4, 2]}],
    "layout": {"height": 220, "font": {"size": 12}},
}


def test_plotly_is_loaded_once_and_draws_in_the_ink_of_the_theme(page):
    loads = []
    page.route(f"{SITE}/ckkit/plotly.min.js", lambda r: (loads.append(1), r.fulfill(path=plotly_js())))
    page.add_style_tag(content="body[data-jp-theme-light='true'] { --jp-ui-font-color1: rgb(1, 2, 3) }")
    state = {"figures": [FIGURE, FIGURE], "urls": ["/ckkit/plotly.min.js"], "narrowest": "300px"}
    widget(page, ("plot",), dict(state))
    widget(page, ("plot",), {**state, "figures": [FIGURE]}, "other")
    assert loads == [1] and page.locator(".js-plotly-plot path.js-line").count() == 3
    boxes = [box.bounding_box() for box in page.locator("#it > div").all()]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["width"] == boxes[1]["width"] > 300
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    page.wait_for_function("getComputedStyle(document.querySelector('#it .xtick text')).fill === 'rgb(1, 2, 3)'")
    change(page, figures=[FIGURE])
    page.wait_for_function("document.querySelectorAll('#it .js-plotly-plot').length === 1")


def test_a_zoom_outlasts_an_update(page):
    page.route(f"{SITE}/ckkit/plotly.min.js", lambda r: r.fulfill(path=plotly_js()))
    widget(page, ("plot",), {"figures": [FIGURE], "urls": ["/ckkit/plotly.min.js"], "narrowest": "300px"})
    page.evaluate("Plotly.relayout(document.querySelector('#it .js-plotly-plot'), {'xaxis.range': [1.5, 2.5]})")
    change(page, figures=[{**FIGURE, "data": [{**FIGURE["data"][0], "y": [9, 9, 9]}]}])
    page.wait_for_function("document.querySelector('#it .js-plotly-plot').data[0].y[0] === 9")
    assert page.evaluate("document.querySelector('#it .js-plotly-plot').layout.xaxis.range") == [1.5, 2.5]


def test_without_a_url_plotly_comes_from_the_kernel(page):
    page.route(f"{SITE}/real.js", lambda r: r.fulfill(path=plotly_js()))
    page.evaluate(
        "([text, state]) => { window.widget(text, state, 'it') }",
        [script("plot"), {"figures": [FIGURE], "urls": [], "narrowest": "300px"}],
    )
    page.wait_for_function("made?.it?.said.length === 1")
    assert said(page) == ["need plotly"]
    sent = "(b) => made.it.custom({kind: 'plotly'}, [new DataView(b)])"
    page.evaluate(f"fetch('/real.js').then((r) => r.arrayBuffer()).then({sent})")
    page.wait_for_selector("#it .js-plotly-plot path.js-line")


def test_the_buffer_of_the_lines_is_what_the_browser_reads():
    """Little-endian float32, as `Float32Array` has it on every machine that has a browser."""
    assert array.array("f", [1.5]).tobytes() == b"\x00\x00\xc0\x3f" and math.isnan(
        array.array("f", b"\x00\x00\xc0\x7f")[0]
    )
