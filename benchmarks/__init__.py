"""Commands that measure. Each prints a table; `results.md` keeps what they printed, with date, machine and commit."""
