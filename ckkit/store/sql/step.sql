-- The state machine: from the levels of one slot and the state before it, the alerts that change.
--   bad, not firing     pending until it has been bad for `hold`, then firing; at once where `hold` is zero
--   bad, firing         firing; the keeping that had begun is forgotten
--   good, pending       ok at once
--   good, firing        firing until it has been good for `keep`, then ok
--   null level          nothing changes
-- `between` (neither bad nor recovered) is bad while an alert fires because of its conditions, else good.
-- All spans are between slots. A time after the slot, which only a clock set back leaves, counts as the slot.
-- Parameters: $slot (timestamp, UTC). Reads the temporary table tick_levels, thresholds and alerts.
-- Columns: alert_id, before status, after status, level level, band level, since, fired_at, keep_since timestamp_ms,
-- value, text, result_at, reason, version, moved boolean (worth a transition). A row an alert that changes. No order.
with before as (
    select l.alert_id, l.level as found, l.value, l.text, l.result_at, l.reason, t.hold_ms, t.keep_ms, t.version,
           a.status, a.level as level_before, a.band as band_before, a.fired_at, a.since as since_before,
           a.keep_since as keep_before,
           least(a.since, $slot::timestamp_ms) as since, least(a.keep_since, $slot::timestamp_ms) as keep_since,
           case when l.reason = 'between' then a.status = 'firing' and a.band is not null
                else l.level <> 'ok' end as bad
    from tick_levels l
    join alerts a using (alert_id)
    join thresholds t using (alert_id)
    where l.level is not null and (a.status <> 'ok' or l.level <> 'ok')
),
moving as (
    select *,
           case when bad and (status = 'firing' or hold_ms = 0) then 'firing'
                when bad and status = 'pending'
                     and date_diff('millisecond', since, $slot::timestamp_ms) >= hold_ms then 'firing'
                when bad then 'pending'
                when status = 'firing' and keep_ms > 0
                     and (keep_since is null or date_diff('millisecond', keep_since, $slot::timestamp_ms) < keep_ms)
                     then 'firing'
                else 'ok' end::status as after
    from before
),
moved as (
    select *,
           case when after = 'ok' then 'ok'
                when not bad then level_before
                when reason = 'between' then band_before
                else found end::level as level,
           case when after = 'ok' or not bad then null
                when reason = 'condition' then found
                else band_before end::level as band,
           case when after = 'ok' then null when status = 'ok' then $slot::timestamp_ms else since end as since_after,
           case when after = 'firing' and not bad then coalesce(keep_since, $slot::timestamp_ms) end as keep_after
    from moving
)
select alert_id, status as before, after, level, band,
       since_after as since,
       case when after <> 'firing' then null when status = 'firing' then fired_at else $slot::timestamp_ms end as fired_at,
       keep_after as keep_since, value, text, result_at, reason, version,
       after <> status or (after = 'firing' and level <> level_before) as moved
from moved
where after <> status or level <> level_before
   or band is distinct from band_before or since_after is distinct from since_before
   or keep_after is distinct from keep_before
