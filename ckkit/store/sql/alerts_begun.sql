-- Gives an alert to every threshold that has none: ok, and nobody told.
-- Parameters: $slot (timestamp, UTC). Reads thresholds, monitors, and new_names (check_id, node, check).
insert into alerts
select t.alert_id, t.monitor_id, t.check_id, m.name, n.node, n."check", true, 'ok', 'ok', null, null, null, null,
       $slot::timestamp_ms, null, null, null, 'clear', null
from thresholds t
join monitors m on m.monitor_id = t.monitor_id and m.valid_to is null
join new_names n on n.check_id = t.check_id
where t.alert_id not in (select alert_id from alerts)
order by t.alert_id
