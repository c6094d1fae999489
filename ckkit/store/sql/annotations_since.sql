-- The lines of the changelog since a time: those of one node and of all ('' in `node`), or of everything.
-- Parameters: $since (timestamp, UTC), $node (varchar; '' for every node), $limit (bigint).
-- Columns: ts, node, scope, who, text. Order: oldest first.
select ts, node, scope, who, text
from annotations
where ts >= $since
  and ($node = '' or node in ('', $node))
order by ts, text
limit $limit
