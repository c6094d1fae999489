-- Writes what was measured now into alerts that are not ok and did not change, so that SQL shows it: the first 2,000,
-- since a value a row and tick is what makes a bad day slow. The evaluation itself shows all of them.
-- Reads the temporary tables tick_levels and tick_steps.
update alerts
set value = l.value, text = l.text, result_at = l.result_at, reason = l.reason
from (
    select l.*
    from tick_levels l join alerts a using (alert_id)
    where a.status <> 'ok' and l.level <> 'ok' and l.alert_id not in (select alert_id from tick_steps)
    limit 2000
) l
where l.alert_id = alerts.alert_id
