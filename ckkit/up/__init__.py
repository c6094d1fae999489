"""
`ckkit up`: the supervisor of the parts, and what people ask of an installation (status, logs, doctor, init, service).

The process that stays (`python -m ckkit.up`) is thin: the standard library and `ckkit.home`, no configuration, no
psutil. What must be read or decided before is written into a plan by the command line, which then becomes it.
"""
