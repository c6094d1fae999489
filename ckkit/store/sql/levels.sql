-- The level of every condition at one slot, from the results known now: what the state machine steps over.
-- A result counts for the slots in [ts, ts + lookback), a value for those in [ts, ts + window): half-open both, so that
-- each belongs to the same number of slots. Where the latest result is an error there is no value, and `on_error` says
-- what that means; NaN and NULL are no values, and `missing` says what that means. Nothing is taken for missing while
-- the check is new, or before evaluation has gone on for a whole lookback ($up_since): then it was us who were away.
-- A report counts for its window; one without a window for ever.
-- Reads the temporary table tick_values: what aggregates and free conditions came to.
-- Parameters: $slot, $up_since (timestamp, UTC), $longest_ms (bigint: the longest lookback of all).
-- Columns: alert_id ubigint, level level (null: keep what was), value double, text varchar (an error's), result_at
-- timestamp_ms, reason varchar (of transitions). A row a threshold, but for reports that still count. No order.
with newest as (
    select check_id, max(ts) as ts
    from results
    where ts > $slot::timestamp_ms - to_milliseconds($longest_ms) and ts <= $slot::timestamp_ms
    group by check_id
),
latest as (
    select check_id, r.ts, r.state, r.status, r.more,
           [r.took::double, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15, v16] as named
    from results r join newest using (check_id, ts)
    where r.ts > $slot::timestamp_ms - to_milliseconds($longest_ms) and r.ts <= $slot::timestamp_ms
),
measured as (
    select t.*, l.ts as result_at, l.state, l.status, date_diff('millisecond', t.born, $slot::timestamp_ms) as age_ms,
           c.critical as found_critical, c.warn as found_warn, c.recovered as found_recovered,
           case when t.kind = 'statement' or t.aggregate <> 'last' then c.value
                when t.position <= 16 then l.named[t.position + 1]
                else l.more[t.position - 16] end as value
    from thresholds t
    left join latest l
      on l.check_id = t.check_id and date_diff('millisecond', l.ts, $slot::timestamp_ms) < t.lookback_ms
    left join tick_values c on c.alert_id = t.alert_id
    where t.kind <> 'report'
),
judged as (
    select *,
           case when age_ms >= 0 and age_ms < delay_ms then 'new'
                when state = 2 then 'error'
                when result_at is null or (kind = 'compare' and (value is null or isnan(value)))
                  or (kind = 'statement' and found_critical is null and found_warn is null) then
                    case when age_ms >= 0 and age_ms < grace_ms
                           or date_diff('millisecond', $up_since::timestamp_ms, $slot::timestamp_ms) < lookback_ms
                         then 'waiting' else 'missing' end
                when value between critical_low and critical_high or found_critical then 'critical'
                when value between warn_low and warn_high or found_warn then 'warn'
                when not recovers then 'clear'
                when value between recovery_low and recovery_high or found_recovered then 'recovered'
                else 'between' end as verdict
    from measured
)
select alert_id,
       case verdict when 'clear' then 'ok' when 'critical' then 'critical' when 'warn' then 'warn'
                    when 'recovered' then 'ok' when 'between' then 'ok'
                    when 'error' then on_error when 'missing' then missing end::level as level,
       case when verdict <> 'error' and not isnan(value) then value end as value,
       case when verdict = 'error' then status end as text,
       result_at,
       case verdict when 'critical' then 'condition' when 'warn' then 'condition' else verdict end as reason
from judged
union all
select t.alert_id, t.missing, null, null, a.result_at, 'missing'
from thresholds t join alerts a using (alert_id)
where t.kind = 'report' and t.window_ms > 0
  and date_diff('millisecond', a.result_at, $slot::timestamp_ms) >= t.window_ms
  and date_diff('millisecond', $up_since::timestamp_ms, $slot::timestamp_ms) >= t.lookback_ms
