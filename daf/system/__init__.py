"""What a machine gives; nothing here knows what is trained or compared.

files           reading and writing, atomically
locks           one process at a time in a folder
devices         GPUs and processors
limits          what a cgroup leaves of memory and processors
resource_usage  the time and memory that work took
progress        progress of a loop as lines
checks          checks of a machine or a package, and how they went
machine         checks of Python, processors, GPU, disk and memory
requirements    installed packages against what DAF requires
plain           any value as JSON-ready data
columns         tables whose columns derive from a record class
provenance      what a result was made with
"""
