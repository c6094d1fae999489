-- The alerts of which somebody may have to be told, with what each address knows: a row an alert and address told.
-- Columns: those of alerts, address, knows level, delivered boolean, told_since, told_at. Order: alert_id, address.
select a.*, t.address, t.level as knows, t.delivered, t.since as told_since, t.told_at
from alerts a left join told t using (alert_id)
where (a.status = 'firing' and (a.decision is null or a.decision not in ('told', 'no address')))
   or (a.status <> 'firing' and t.alert_id is not null)
order by a.alert_id, t.address
