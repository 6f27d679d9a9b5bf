"""How jobs are executed: in this process, on this machine, on a cluster."""
