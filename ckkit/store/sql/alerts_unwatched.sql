-- The alerts that end because nothing watches their check any more, as steps of the state machine.
-- Columns: as step.sql. No order.
select a.alert_id, a.status as before, 'ok'::status as after, 'ok'::level as level, null::level as band,
       null::timestamp_ms as since, null::timestamp_ms as fired_at, null::timestamp_ms as keep_since,
       a.value, null::varchar as text, a.result_at, 'unwatched' as reason,
       coalesce((select max(version) from monitors m where m.monitor_id = a.monitor_id), 1)::uinteger as version,
       a.status <> 'ok' as moved
from alerts a
where a.status <> 'ok' and a.alert_id not in (select alert_id from thresholds)
