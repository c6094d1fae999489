-- Writes a transition for every alert that moved.
-- Parameters: $slot (timestamp, UTC). Reads the temporary table tick_steps, and alerts for their names.
insert into transitions
select $slot::timestamp_ms, a.alert_id, a.monitor_id, a.check_id, a.monitor, a.node, a."check",
       s.before, s.after, s.level, s.reason, s.value, s.text, s.version
from tick_steps s join alerts a using (alert_id)
where s.moved
order by a.alert_id
