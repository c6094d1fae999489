"""
How ckkit looks. Colour means level, and only level; what tells series apart is a cool hue and a dash.

Every colour of text keeps a contrast of 4.5 or more on white and on JupyterLab's dark, or stands on a ground of its
own (the badges). The style takes JupyterLab's own colours where they are, else the page's colour scheme.
"""

from typing import Any, Final, Literal

from ckkit.model import Level

Scheme = Literal["auto", "light", "dark"]

LEVEL_COLOUR: Final = {
    Level.OK: "#1a7f37",
    Level.WARN: "#9a6700",
    Level.CRITICAL: "#c62828",
    Level.NODATA: "#5b6370",
}
# A level is told by a mark and a word too: colour alone does not reach everybody.
LEVEL_MARK: Final = {Level.OK: "●", Level.WARN: "▲", Level.CRITICAL: "■", Level.NODATA: "○"}
LEVEL_WORD: Final = {Level.OK: "ok", Level.WARN: "warn", Level.CRITICAL: "critical", Level.NODATA: "no data"}

SERIES: Final = ("#2f81d8", "#8a63d2", "#1b8a9c", "#6b7fd7", "#7a8896", "#b05fb8", "#4a6fa5", "#5aa0c8")
DASHES: Final = ("solid", "dash", "dot", "dashdot")

_INK: Final = {"auto": "#767676", "light": "#3b424c", "dark": "#c8ccd4"}
_GRID: Final = {"auto": "rgba(128,128,128,0.22)", "light": "rgba(0,0,0,0.10)", "dark": "rgba(255,255,255,0.13)"}

FONT: Final = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', sans-serif"

# `.ckv.ckv`: JupyterLab styles the tables of outputs itself (right-aligned, striped), and must not win.
CSS: Final = """
.ckv{--ink:var(--jp-ui-font-color1,CanvasText);--dim:color-mix(in srgb,var(--ink) 68%,transparent);
--line:color-mix(in srgb,var(--ink) 16%,transparent);--tint:color-mix(in srgb,var(--ink) 5%,transparent);
color:var(--ink);font:13px/1.45 var(--jp-ui-font-family,system-ui,'Noto Sans',sans-serif);max-width:100%}
.ckv.ckv table{border-collapse:collapse;margin:0 0 12px;font-size:inherit;display:block;overflow-x:auto;max-width:100%;
border:0;table-layout:auto}
.ckv.ckv caption{display:table-caption;text-align:left;font-weight:600;padding:2px 0 6px;color:var(--ink);
white-space:nowrap}
.ckv.ckv th,.ckv.ckv td{text-align:left;padding:3px 12px 3px 0;border:0;border-bottom:1px solid var(--line);
vertical-align:baseline;background:none;max-width:40em;overflow-wrap:break-word;white-space:nowrap;line-height:1.45}
.ckv.ckv tbody tr{background:none}
.ckv.ckv thead th{font-weight:500;color:var(--dim)}
.ckv.ckv tbody tr:hover td{background:var(--tint)}
.ckv.ckv .n{text-align:right}.ckv.ckv .n,.ckv.ckv .t{font-variant-numeric:tabular-nums}
.ckv.ckv td.w{min-width:20em;white-space:normal}
.ckv .dim{color:var(--dim)}
.ckv .b{display:inline-block;padding:0 7px;border-radius:9px;color:#fff;font-size:12px;line-height:18px;
white-space:nowrap;font-weight:500}
.ckv .tag{display:inline-block;padding:0 7px;margin:0 4px 2px 0;border-radius:4px;background:var(--tint);
border:1px solid var(--line);font-size:12px;line-height:17px;white-space:nowrap}
.ckv .cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(230px,1fr));gap:10px}
.ckv .card{border:1px solid var(--line);border-radius:8px;padding:10px 12px;overflow-wrap:anywhere}
.ckv .card .head{font-size:14px;justify-content:space-between}
.ckv .head{margin:0 0 4px;font-size:16px;font-weight:600;display:flex;gap:8px;align-items:baseline}
.ckv.ckv p{margin:4px 0 8px}.ckv.ckv .card p{margin:2px 0}
.ckv.ckv dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 14px;margin:4px 0 10px}
.ckv.ckv dt{color:var(--dim);margin:0;font-weight:400;float:none}.ckv.ckv dd{margin:0;float:none}
.ckv .panel{margin-bottom:10px;border:1px solid var(--line);border-radius:8px;padding:12px 14px}
.ckv.ckv .panel table{margin-top:8px}
.ckv.ckv .panel table:last-child,.ckv.ckv .panel dl:last-child{margin-bottom:2px}
""".strip().replace("\n", "")


def page(inner: str) -> str:
    """Return HTML for a notebook's output: `inner`, which is escaped already, with the style that it needs."""
    return f'<div class="ckv"><style>{CSS}</style>{inner}</div>'


def layout(scheme: Scheme = "auto") -> dict[str, Any]:
    """Return the plotly layout that every chart starts from; `auto` can be read on light and on dark."""
    axis = {
        "gridcolor": _GRID[scheme],
        "linecolor": _GRID[scheme],
        "zeroline": False,
        "tickcolor": _GRID[scheme],
        "automargin": True,
    }
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 12, "color": _INK[scheme]},
        "margin": {"l": 56, "r": 16, "t": 44, "b": 40},
        "height": 300,
        "hovermode": "x unified",
        # A ground of its own: the paper is transparent, and lines would show through.
        "hoverlabel": {"namelength": -1, "bgcolor": "#2b2f36", "bordercolor": "#2b2f36", "font": {"color": "#fff"}},
        "xaxis": dict(axis),
        "yaxis": dict(axis),
        "showlegend": False,
        "legend": {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": _INK[scheme], "activecolor": _INK[scheme]},
    }


def ink(scheme: Scheme = "auto") -> str:
    """Return the colour of text."""
    return _INK[scheme]
