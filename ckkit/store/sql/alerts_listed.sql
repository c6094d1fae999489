-- The alerts of watched checks.
-- Parameters: $status (varchar; null: any).
-- Columns: those of alerts, told_level and told_at: of what was last told of it. Order: worst first, then by name.
select a.*, t.told_level, t.told_at
from alerts a
left join (
    select alert_id, max(level) as told_level, max(told_at) as told_at from told where delivered group by alert_id
) t using (alert_id)
where a.watched and ($status is null or a.status::varchar = $status)
order by a.status desc, a.level desc, a.node, a."check", a.monitor
