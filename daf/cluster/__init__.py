"""A batch cluster: what differs from site to site, what is really there, and whether what jobs ask for exists."""
