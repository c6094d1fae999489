"""
The pages in a real browser, on a real hub that measures this machine: right numbers, live, by their URL, tidy behind.

Each regression of what Voila needs is a test here: no request to another machine, a kernel that ends with its page or
with its browser, charts that are not empty, a token on every page.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psutil
import pytest

sync_api = pytest.importorskip("playwright.sync_api")

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TOML = """
[hub]
port = 0
evaluate_every = "1s"
deadline = "300ms"

[collect]
every = "1s"
timeout = "800ms"

[this_machine]
name = "here"
tags = ["local", "lab"]

[[nodes]]
name = "web0"
tags = ["web"]
address = "127.0.0.1"

[[checks]]
node = "web0"
type = "tcp"
instance = "door"
port = {port}
"""
MONITOR = '[door]\nnodes = "web0"\ncheck = "tcp"\n'


class Site:
    """A hub with dashboards; `door` is a port that web0's check knocks at."""

    def __init__(self, hub, port):
        self.hub, self.port = hub, port
        self.token = hub.home.token("operator")
        self.url = f"http://127.0.0.1:{port}"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ckkit.dashboards", "--port", str(port), "--cull", "6", "--cull-every", "1"],
                env=hub.env,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self):
        return self.hub.folder.joinpath("dashboards.log")

    def wait(self):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(self.url + "/", timeout=2).close()
            except urllib.error.HTTPError as error:
                error.close()
                return
            except OSError:
                time.sleep(0.2)
        raise AssertionError(self.log.read_text())

    def process_of(self, kernel):
        """The process of a kernel that is known by its id; None where it is gone."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if kernel in " ".join(process.cmdline()):
                    return process
            except psutil.Error:
                continue
        return None

    def runs(self, kernel):
        return self.process_of(kernel) is not None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def door():
    """A port that answers while this server listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture(scope="module")
def site(needs, door, hub_kind, tmp_path_factory):
    needs("chromium")
    hub = hub_kind(tmp_path_factory.mktemp("pages") / "hub", TOML.format(port=door.getsockname()[1]))
    hub.workspace.monitors.joinpath("door.toml").write_text(MONITOR)
    hub.workspace.voila_apps.symlink_to(os.path.join(os.path.dirname(__file__), "..", "..", "voila_apps"))
    found = None
    try:
        hub.start()
        found = Site(hub, free_port())
        found.wait()
        yield found
    finally:
        if found is not None:
            found.stop()
        hub.close()


@pytest.fixture(scope="module")
def chromium(needs):
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(needs("chromium")), args=ARGUMENTS)
        yield browser
        browser.close()


class Watched:
    """A page of a browser, and what went wrong with it."""

    def __init__(self, context):
        self.context, self.page = context, context.new_page()
        self.foreign, self.failed, self.errors = [], [], []
        context.on("request", self._asked)
        context.on("response", lambda r: self.failed.append((r.status, r.url)) if r.status >= 400 else None)
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))

    def _asked(self, request):
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:", "ws://127.0.0.1:")):
            self.foreign.append(request.url)

    def open(self, site, path, selector):
        self.page.goto(f"{site.url}{path}{'&' if '?' in path else '?'}token={site.token}")
        self.page.wait_for_selector(selector, timeout=40_000)
        return self.page

    def is_clean(self):
        assert self.foreign == []
        assert self.failed == []
        assert self.errors == []


@pytest.fixture
def watched(chromium):
    context = chromium.new_context(viewport={"width": 1400, "height": 900})
    yield Watched(context)
    context.close()


def eventually(check, seconds, every=0.1):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return True
        time.sleep(every)
    return bool(check())


def kernel_of(page):
    """The id of the kernel behind a page."""
    return page.evaluate("JSON.parse(document.getElementById('jupyter-config-data').textContent).kernelId")


def row_of(page, name):
    return page.locator(".ck-row", has=page.locator(f'a:text-is("{name}")'))


def test_the_overview_shows_what_sql_says(site, watched):
    page = watched.open(site, "/", ".ck-row")
    asked = datetime.now(UTC)
    shown = re.search(r"as of (\d+):(\d+):(\d+) UTC", page.locator(".head .dim").inner_text())
    as_of = asked.replace(hour=int(shown[1]), minute=int(shown[2]), second=int(shown[3]), microsecond=0)
    assert -1 < (asked - as_of).total_seconds() < 4  # its kernel was started long before
    assert page.title() == "Overview · ckkit"
    assert page.url == f"{site.url}/voila/render/overview.ipynb"
    assert eventually(lambda: page.locator(".ck-row").count() == 2, 5)
    counts = site.hub.wire.read(
        "select i.node, count(*) as n from checks c join identities i using (check_id) "
        "where c.valid_to is null group by i.node"
    )
    by_node = {row["node"]: row["n"] for row in counts.to_pylist()}
    for node, count in by_node.items():
        assert row_of(page, node).locator(".ck-count").inner_text() == str(count)
    row = site.hub.wire.read("select used_ratio from checks.memory where node = 'here' order by ts desc limit 1")
    memory = row["used_ratio"][0].as_py() * 100
    told = float(row_of(page, "here").locator(".ck-spark .ck-value").nth(1).inner_text().split()[0])
    assert abs(told - memory) < 5
    watched.is_clean()


def test_a_committed_result_is_on_the_open_page_within_three_seconds(site, watched):
    page = watched.open(site, "/", ".ck-row")
    before = page.locator(".head .dim").inner_text()
    assert eventually(lambda: page.locator(".head .dim").inner_text() != before, 3)
    watched.is_clean()


def test_a_transition_is_on_the_open_page_within_two_seconds(site, watched, door):
    page = watched.open(site, "/", ".ck-row")
    assert eventually(lambda: "ok" in row_of(page, "web0").inner_text(), 10)
    changes = "select count(*) as n from transitions where \"after\" = 'firing' and monitor = 'door'"
    before = site.hub.wire.read(changes)["n"][0].as_py()
    port = door.getsockname()[1]
    door.close()
    assert eventually(lambda: site.hub.wire.read(changes)["n"][0].as_py() > before, 10, 0.02)
    assert eventually(lambda: "critical" in row_of(page, "web0").inner_text(), 2, 0.02)
    assert eventually(lambda: "1 firing" in page.locator(".head").inner_text(), 2)
    door.__init__(socket.AF_INET, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    door.bind(("127.0.0.1", port))
    door.listen()
    assert eventually(lambda: "ok" in row_of(page, "web0").inner_text(), 15)
    watched.is_clean()


def test_tags_and_the_search_filter_and_stand_in_the_url(site, watched):
    page = watched.open(site, "/", ".ck-row")
    page.get_by_role("button", name="web").click()
    assert eventually(lambda: page.locator(".ck-row").count() == 1, 5)
    assert eventually(lambda: "q=tag%3Aweb" in page.evaluate("location.search"), 5)
    page.get_by_placeholder("search").fill("tag:lab")
    assert eventually(lambda: row_of(page, "here").count() == 1 and page.locator(".ck-row").count() == 1, 5)
    page.get_by_placeholder("search").fill("tag:(")
    assert eventually(lambda: "cannot read the query" in page.locator("body").inner_text(), 5)
    watched.is_clean()


def test_a_link_with_a_search_opens_with_it_and_its_kernel_never_sees_the_token(site, watched):
    page = watched.open(site, "/voila/render/overview.ipynb?q=node:web*", ".ck-row")
    assert eventually(lambda: page.locator(".ck-row").count() == 1, 5)
    assert page.get_by_placeholder("search").input_value() == "node:web*"
    assert "token" not in page.url
    kernel = site.process_of(kernel_of(page))
    assert site.token not in " ".join([*kernel.cmdline(), *kernel.environ().values()])
    assert site.token not in page.content()
    watched.is_clean()


def test_a_click_leads_to_the_node_with_charts_and_processes(site, watched):
    page = watched.open(site, "/", ".ck-row")
    row_of(page, "here").locator("a").click()
    page.wait_for_selector(".ck-plot[data-drawn]", timeout=40_000)
    assert page.url.endswith("node.ipynb?node=here")
    checks = {c["type"] for c in site.hub.wire.command("checks.list", {"query": "here"})}
    assert eventually(lambda: page.locator(".ck-plot .js-plotly-plot").count() >= len(checks), 10)
    assert eventually(lambda: page.locator(".ck-plot path.js-line").count() > len(checks), 10)
    assert page.evaluate("document.querySelectorAll('script[src*=plotly]').length") == 1
    assert eventually(lambda: page.locator(".ck-row").count() > 5, 10)
    page.get_by_placeholder("search processes").fill(f"ckkit.dashboards {site.port}")
    assert eventually(lambda: page.locator(".ck-row").count() == 1, 5)
    watched.is_clean()


def test_an_unknown_node_is_said_with_the_nearest_name(site, watched):
    page = watched.open(site, "/voila/render/node.ipynb?node=hrre", ".ck-problem:not([hidden])")
    assert "here" in page.locator(".ck-problem").inner_text()
    watched.is_clean()


SHUT = [
    "/",
    "/login",
    "/voila/tree",
    "/voila/render/overview.ipynb",
    "/voila/api/contents/overview.ipynb",
    "/voila/files/picture.png",
    "/api/kernels/7f3f0a0e-6f0d-4a54-9a3e-1d1c54a2c0aa",
    "/ckkit/plotly.min.js",
    "/ckkit/lab",
    "/nonsense",
]


def test_every_page_needs_the_token_and_it_does_not_stay_in_the_url(site, chromium):
    context = chromium.new_context(color_scheme="light")
    page = context.new_page()
    for path in SHUT:
        assert context.request.get(site.url + path).status == 403, path
    assert context.request.post(f"{site.url}/voila/api/shutdown/7f3f0a0e").status == 403
    assert page.goto(f"{site.url}/?token=wrong").status == 403
    assert "not the one of this ckkit" in page.locator("body").inner_text()
    page.goto(f"{site.url}/voila/tree?token={site.token}")
    assert page.url == f"{site.url}/voila/tree"
    assert context.request.get(f"{site.url}/ckkit/plotly.min.js").status == 200
    context.close()
    assert site.token not in site.log.read_text()


def test_the_dashboards_are_cards_the_theme_is_chosen_and_what_is_missing_is_said(site, chromium):
    context = chromium.new_context(color_scheme="light")
    watched = Watched(context)
    page = watched.open(site, "/voila/tree", ".ck-cards a")
    assert page.locator(".ck-cards b").all_inner_texts()[0] == "Overview"
    assert "JupyterLab" in page.locator("#ck-nav").inner_text()
    light = "document.body.dataset.jpThemeLight"
    assert page.evaluate(light) == "true"
    page.get_by_role("button", name="system").click()
    page.get_by_role("button", name="light").click()
    assert page.evaluate(light) == "false"
    watched.is_clean()
    assert page.goto(f"{site.url}/voila/render/nope.ipynb").status == 404
    assert "no dashboard nope.ipynb" in page.locator("body").inner_text()
    assert page.goto(f"{site.url}/ckkit/lab").status == 404
    assert "./ck up" in page.locator("body").inner_text()
    assert watched.foreign == []
    context.close()


def test_twenty_that_look_cost_one_computation_a_tick(site):
    wires = [site.hub.connect() for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        for _ in range(3):
            told = list(pool.map(lambda wire: wire.command("overview.get"), wires))
            made = {(one["tick"], one["as_of"]) for one in told}
            assert len(made) == len({tick for tick, _ in made}) <= 2  # a tick has one document, made at one time
            time.sleep(0.4)


def test_the_kernel_of_a_page_that_is_left_ends(site, chromium):
    context = chromium.new_context()
    page = Watched(context).open(site, "/", ".ck-row")
    kernel = kernel_of(page)
    assert site.runs(kernel)
    page.close(run_before_unload=True)
    assert eventually(lambda: not site.runs(kernel), 5), "the kernel is still there 5 s after its page"
    context.close()


def test_the_kernel_of_a_killed_browser_is_ended(site, chromium, needs):
    known = {p.pid for p in psutil.Process().children(recursive=True)}
    browser = chromium.browser_type.launch(executable_path=str(needs("chromium")), args=ARGUMENTS)
    kernel = kernel_of(Watched(browser.new_context()).open(site, "/", ".ck-row"))
    assert site.runs(kernel)
    for process in psutil.Process().children(recursive=True):
        if process.pid not in known and "chrom" in process.name():
            process.kill()
    # 17 s without a beat, then 6 s idle
    assert eventually(lambda: not site.runs(kernel), 40), "the kernel outlived its browser"


def test_a_page_whose_kernel_dies_comes_back_by_itself(site, watched):
    page = watched.open(site, "/voila/render/overview.ipynb?q=tag:web", ".ck-row")
    kernel = kernel_of(page)
    site.process_of(kernel).kill()
    assert eventually(lambda: page.locator(".ck-row").count() == 1 and kernel_of(page) != kernel, 30)
    assert page.get_by_placeholder("search").input_value() == "tag:web"


def test_a_hub_that_is_away_is_said_and_the_page_goes_on_when_it_is_back(site, watched):
    page = watched.open(site, "/", ".ck-row")
    site.hub.kill()
    assert eventually(lambda: page.get_by_role("alert").count() == 1, 10)
    assert "hub" in page.get_by_role("alert").inner_text()
    assert page.locator(".ck-row").count() == 2
    site.hub.start()
    assert eventually(lambda: page.get_by_role("alert").count() == 0, 15)
    before = page.locator(".head .dim").inner_text()
    assert eventually(lambda: page.locator(".head .dim").inner_text() != before, 5)
    watched.is_clean()
