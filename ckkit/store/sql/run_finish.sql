-- Ends a run that is under way; no row when it has ended before, or never started.
-- Parameters: $run_id, $state, $error, $output, $kernel, $finished (timestamp, UTC).
-- Columns: job varchar, slot timestamp_ms, took_seconds double.
update runs
set state = $state, error = $error, output = $output, kernel = $kernel, finished = $finished::timestamp_ms
where run_id = $run_id and state = 'running'
returning job, slot, date_diff('millisecond', started, finished) / 1000 as took_seconds
