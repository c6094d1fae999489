"""
Who evaluated the slots of an otherwise idle machine: by the notebook, by the hub, missed, twice.

    python -m benchmarks.slots --slots 360          takes an hour
"""

import argparse
import time

from benchmarks.running import ckkit_up
from ckkit.wire import HttpWire

COUNT = """
with mine as (
    select * from slots
    where grp = 'all' and slot >= (select min(slot) from slots where evaluated_by = 'notebook')
)
select evaluated_by as who, count(*) as slots,
       quantile_cont(epoch(evaluated_at) - epoch(slot), 0.5) as p50_s,
       quantile_cont(epoch(evaluated_at) - epoch(slot), 0.99) as p99_s
from mine group by all order by who
"""
MISSED = """
with mine as (
    select * from slots
    where grp = 'all' and slot >= (select min(slot) from slots where evaluated_by = 'notebook')
)
select date_diff('second', min(slot), max(slot)) / $every + 1 - count(distinct slot) as missed,
       count(*) - count(distinct slot) as twice
from mine
"""
LINE = "{who:10} {slots:6} slots   evaluated {p50_s:.2f} s (p50), {p99_s:.2f} s (p99) after the slot"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=360)
    parser.add_argument("--every", type=float, default=10.0)
    asked = parser.parse_args()
    with ckkit_up() as running:
        time.sleep((asked.slots + 3) * asked.every)
        wire = HttpWire.connect(running.home)
        for row in wire.read(COUNT).to_pylist():
            print(LINE.format(**row))
        print("missed {missed:.0f}, twice {twice}".format(**wire.read(MISSED, {"every": asked.every}).to_pylist()[0]))


if __name__ == "__main__":
    main()
