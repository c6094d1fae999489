-- Compiles: a row of thresholds a monitor and check that it watches.
-- Parameters: none. Reads new_plans (a row a monitor) and new_watches (monitor_id, check_id, lookback_ms), registered
-- for this statement, metrics for the positions, checks for the age of each.
insert into thresholds
select (p.monitor_id::ubigint << 32) | w.check_id, p.monitor_id, p.version, w.check_id, p.kind,
       case when p."column" = 'took_seconds' then 0 else m.position end, p.aggregate,
       p.warn_low, p.warn_high, p.critical_low, p.critical_high, p.recovery_low, p.recovery_high, p.recovers,
       w.lookback_ms, p.window_ms, p.hold_ms, p.keep_ms,
       coalesce(b.born, '1970-01-01'), p.delay_ms, greatest(w.lookback_ms, p.window_ms),
       p.missing::level, p.on_error::level
from new_watches w
join new_plans p using (monitor_id)
left join metrics m on m.type = p.type and m.name = p."column"
left join (select check_id, min(valid_from) as born from checks group by check_id) b on b.check_id = w.check_id
order by 1
