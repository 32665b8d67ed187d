"""What dlmon puts into a training process, and what samples the machine beside it.

`inject` and `training` run inside the user's process: standard library and the torch that is already there.
`host` runs in the supervisor. `events` is the contract with everything that reads a run.
"""
