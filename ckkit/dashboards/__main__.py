"""`python -m ckkit.dashboards`: the dashboards as a process, on CKKIT_HOME and CKKIT_WORKSPACE."""

import argparse
import sys

from ckkit.config import Home, Workspace
from ckkit.dashboards.server import CULL_EVERY_S, CULL_S, run
from ckkit.errors import CkkitError


def main() -> int:
    """Serve until a signal. Returns 0, or 1 where it could not start; why is said on stderr."""
    parser = argparse.ArgumentParser(prog="python -m ckkit.dashboards", description=__doc__)
    parser.add_argument("--port", type=int, default=None, help="of the loopback; else that of ckkit.toml")
    parser.add_argument("--cull", type=int, default=CULL_S, help="seconds until a kernel without a browser is ended")
    parser.add_argument("--cull-every", type=int, default=CULL_EVERY_S, help="seconds between looking for such kernels")
    asked = parser.parse_args()
    try:
        home, workspace = Home.find(), Workspace.find()
        port = workspace.load().dashboards.port if asked.port is None else asked.port
        run(home, workspace, port, cull_s=asked.cull, cull_every_s=asked.cull_every)
    except CkkitError as error:
        sys.stderr.write(f"ckkit dashboards: {error.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
