-- The newest run of each job.
-- Columns: those of `runs`. Order: job.
select run_id, job, notebook, slot, state, started, finished, error, output, parameters, kernel, why, missed
from runs
qualify row_number() over (partition by job order by started desc, run_id) = 1
order by job
