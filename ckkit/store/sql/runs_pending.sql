-- What people asked to run, and no run was started for.
-- Parameters: $since (timestamp, UTC).
-- Columns: seq ubigint, payload varchar (JSON). Order: seq.
select seq, payload
from events e
where topic = 'jobs.requested'
  and ts >= $since
  and not exists (select 1 from runs r where r.run_id = json_extract_string(e.payload, '$.run_id'))
order by seq
