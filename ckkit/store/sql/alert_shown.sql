-- The alerts that are not ok after a tick, or that it moved, with what it measured: an evaluation's evidence.
-- Parameters: $most (bigint). Reads the temporary tables tick_levels and tick_steps.
-- Columns: those of alerts with value, text, result_at and reason of this tick, moved boolean. Order: worst first.
select a.* replace (
           coalesce(l.value, a.value) as value, coalesce(l.text, a.text) as text,
           coalesce(l.result_at, a.result_at) as result_at, coalesce(l.reason, a.reason) as reason
       ),
       coalesce(s.moved, false) as moved
from alerts a
left join tick_levels l using (alert_id)
left join tick_steps s using (alert_id)
where a.status <> 'ok' or s.moved
order by a.status desc, a.level desc, a.node, a."check", a.monitor
limit $most
