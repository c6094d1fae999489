"""`python -m ckkit.up PLAN`: supervise what a plan says. `ckkit up` becomes this, and hands the lock on."""

import sys
from pathlib import Path

from ckkit.home import Home
from ckkit.up.journal import Journal
from ckkit.up.plan import Plan
from ckkit.up.screen import Screen
from ckkit.up.supervisor import Supervisor


def main(argv: list[str]) -> int:
    plan = Plan.load(Path(argv[0]))
    home = Home(Path(plan.home))
    supervisor = Supervisor(plan, home, Screen(home), Journal(home.logs / "up.log"))
    code = supervisor.run()
    if supervisor.error:
        sys.stderr.write(f"ckkit: {supervisor.error}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
