"""`Plot`: whatever a figure is made of, the browser gets plotly's JSON; and plotly.js, when its page has none."""

import json

import pytest

from ckkit.views.assets import plotly_js, script
from ckkit.views.charts import Chart
from ckkit.views.grid import Grid
from ckkit.views.plot import Plot, plain


def test_a_figure_of_plotly_becomes_plain_json():
    go = pytest.importorskip("plotly.graph_objects")
    figure = plain(go.Figure(data=[go.Scatter(y=[1, 2, 3])], layout={"title": {"text": "a"}}))
    assert figure["data"][0]["type"] == "scatter" and figure["layout"]["title"] == {"text": "a"}
    json.dumps(figure)


def test_a_chart_of_ours_and_a_dict_are_taken_too():
    chart = Chart([{"y": [1]}], {"height": 200})
    assert plain(chart) == {"data": [{"y": [1]}], "layout": {"height": 200}}
    assert plain({"data": [{"y": [1]}]}) == {"data": [{"y": [1]}], "layout": {}}


def test_what_was_drawn_before_a_browser_came_is_state():
    plot = Plot({"data": [{"y": [1]}]})
    plot.show({"data": [{"y": [2]}]}, {"data": [{"y": [3]}]})
    assert [figure["data"][0]["y"] for figure in plot.get_state()["figures"]] == [[2], [3]]


def test_plotly_is_sent_once_to_a_page_that_asks_for_it(monkeypatch):
    sent = []
    plot = Plot()
    monkeypatch.setattr(plot, "send", lambda content, buffers=None: sent.append((content, buffers)))
    plot._handle_custom_msg({"kind": "need plotly"}, [])
    assert [content for content, _ in sent] == [{"kind": "plotly"}]
    assert sent[0][1][0] == plotly_js().read_bytes() and b"plotly.js v" in sent[0][1][0][:200]


def test_a_click_is_told():
    heard = []
    plot = Plot()
    plot.on_click(heard.append)
    plot._handle_custom_msg({"kind": "click", "points": [{"figure": 0, "curve": 1, "x": 2, "y": 3}]}, [])
    assert heard == [[{"figure": 0, "curve": 1, "x": 2, "y": 3}]]


def test_a_grid_is_filled_in_one_message(monkeypatch):
    grid, sent = Grid(), []
    monkeypatch.setattr(grid, "send_state", lambda key=None: sent.append(set(key)))
    grid.fill({"name": ["a"]}, b"\0\0\0\0", 1)
    assert sent == [{"cols", "sparks", "points"}]


@pytest.mark.parametrize("names", [("page",), ("format", "spark", "grid"), ("format", "tally"), ("plot",)])
def test_a_module_for_the_browser_has_one_default_and_asks_for_no_other(names):
    text = script(*names)
    assert text.count("export default") == 1
    assert not any(line.startswith("import ") for line in text.splitlines())
    assert "http://" not in text and "https://" not in text
