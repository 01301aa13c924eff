"""Hydra plugins of vgrad: the launcher `packed` and the sweeper `grid`."""
