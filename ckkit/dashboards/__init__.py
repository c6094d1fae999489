"""The dashboards: Voila on the workspace's `voila_apps/`, with a token on every page. `python -m ckkit.dashboards`."""

from ckkit.home import Home


def pages() -> str:
    """Return the address below which the dashboards are, for links from elsewhere; nothing where none run."""
    url = (Home.find().part("dashboards") or {}).get("url", "")
    return f"{url}/voila/render/" if url else ""
