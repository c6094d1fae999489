-- Writes one row of `runs`; nothing when the run is there already: the runner may tell it twice.
-- Parameters: $run_id, $job, $notebook, $slot (timestamp, UTC, or null), $started (timestamp, UTC), $parameters (JSON),
-- $why, $missed.
insert into runs (run_id, job, notebook, slot, state, started, error, output, parameters, kernel, why, missed)
select $run_id, $job, $notebook, $slot::timestamp_ms, 'running', $started::timestamp_ms, '', '', $parameters, '',
       $why, $missed
where not exists (select 1 from runs where run_id = $run_id)
