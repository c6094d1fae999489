-- Runs, the newest first.
-- Parameters: $job (or null for all), $limit.
-- Columns: those of `runs`.
select run_id, job, notebook, slot, state, started, finished, error, output, parameters, kernel, why, missed
from runs
where $job is null or job = $job
order by started desc, run_id
limit $limit
