"""The dashboards: Voila on the workspace's `voila_apps/`, with a token on every page. `python -m ckkit.dashboards`."""
