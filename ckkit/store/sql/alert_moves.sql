-- Writes the new state of every alert that changes. What was decided about telling people holds until it moves.
-- Parameters: $slot (timestamp, UTC). Reads the temporary table tick_steps.
update alerts
set status = s.after, level = s.level, band = s.band, since = s.since, fired_at = s.fired_at,
    keep_since = s.keep_since, value = s.value, text = s.text, result_at = s.result_at, reason = s.reason,
    slot = case when s.moved then $slot::timestamp_ms else alerts.slot end,
    decision = case when s.moved then null else alerts.decision end
from tick_steps s
where s.alert_id = alerts.alert_id
