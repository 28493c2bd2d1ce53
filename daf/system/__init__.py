"""What a machine gives; nothing here knows what is trained or compared.

files           reading and writing, atomically
locks           one process at a time in a folder
devices         GPUs and processors
limits          what a cgroup leaves of memory and processors
resource_usage  what a stretch of work took
checks          one check of a machine or a package, and how it went
plain           any value as JSON-ready data
columns         tables whose columns derive from a record class
provenance      what a result was made with
"""
