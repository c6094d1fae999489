"""What the hub counts of itself; told by `/metrics`."""

from ckkit.stats import Stat

MEASURES = (
    Stat("loop_lag_seconds", "histogram", "how late the server's loop woke up"),
    Stat("results_total", "counter", "results stored"),
    Stat("appends_total", "counter", "appends from outside", ("outcome",)),
    Stat("append_seconds", "histogram", "from the whole body to the commit"),
    Stat("reads_total", "counter", "queries of people, by how they ended", ("outcome",)),
    Stat("read_seconds", "histogram", "from the ask to the last piece"),
    Stat("reads_running", "gauge", "queries of people that run now"),
    Stat("reads_cancelled_total", "counter", "queries that were stopped: too long, or nobody waits for them", ("why",)),
    Stat("commands_total", "counter", "commands, by how they ended", ("command", "outcome")),
    Stat("command_seconds", "histogram", "time that commands took"),
    Stat("events_total", "counter", "events told", ("topic",)),
    Stat("watchers", "gauge", "who watches events now"),
    Stat("events_dropped_total", "counter", "events that a watcher was too slow for"),
    Stat("refused_total", "counter", "requests without a token, or with a wrong one"),
    Stat("failures_total", "counter", "requests that failed by a bug of ours"),
    Stat("overview_ticks_total", "counter", "ticks of the overview"),
    Stat("transitions_total", "counter", "alerts that changed"),
    Stat("notifications_total", "counter", "notifications that were decided on"),
    Stat("notices", "gauge", "notices that stand"),
    Stat("store_bytes", "gauge", "size of the store's file with its journal"),
    Stat("collect", "gauge", "what the collector counts of itself", ("what",)),
    Stat("started_seconds", "gauge", "when the hub started, since the epoch"),
)
