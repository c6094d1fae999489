"""
Scheduled notebooks: when each is due, the warm kernels that run them, and what is kept of a run.

    schedulefile.py   schedule.toml → jobs; a bad edit leaves the old one in force
    parameters.py     what a notebook may be given
    triggers.py       slots and crontabs; what is due at `now`, and why
    plan.py           what the runner starts at `now`
    runner.py         the process `python -m ckkit.jobs`
    requests.py       runs that people ask for
    execution.py      one run, from notebook to executed copy
    engine.py         papermill's engine `ckkit-warm`; cells.py runs the cells
    pool.py           kernels kept warm, one started ahead; kernel.py is the process of one
    archive.py        which executed copies are kept
    recorder.py       tells the hub, patiently
    lock.py, lean.py  one runner a home; what it does not import

Papermill and its kernels live in a process of their own: their hangs, leaks and
processor time stay away from the hub.
"""
