"""What a machine gives; nothing here knows what is trained or compared.

files           reading and writing, atomically
locks           one process at a time in a folder
devices         GPUs and processors
resource_usage  what a stretch of work took
provenance      what a result was made with
"""
