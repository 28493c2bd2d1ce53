"""Services of the machine, independent of what is trained or compared.

files            writing, atomically, and digests
readers          reading bytes and text
compressed       unpacking, never to an implausible size
job_records      digests of the inputs and outputs of a job of the workflow
job_states       what a job leaves while it runs, and if it fails
process_identity  which process something is, and whether it still runs
verification     checks of all files in an output folder
json_files       reading JSON
yaml_files       reading YAML
archives         reading zip archives
pickles          whether a file is a pickle that calls something
csv_files        CSV tables that a spreadsheet cannot mistake for formulas
tables           reading and writing parquet files
validated        values checked against a type
arguments        arguments of public functions checked against their annotations
user_paths       paths as people write them
loaded_files     files that user code really runs and reads, which a stamp may not follow
private_folders  folders that no other user can read or prepare
locks            exclusive use of a folder by one process
devices          GPUs and processors
limits           memory and cores that this process may use
resource_usage   the time and memory used
progress         progress of a loop, as lines
live_progress    the same as one line that changes, in a terminal or notebook
notebooks        whether this process runs a notebook
waiting          what a silent command waits for
interrupts       whether a person interrupted the workflow
shown            results as a person sees them, in a terminal and in a notebook
nouns            nouns that agree with their number
checks           results of checks of a machine or a package
machine          checks of Python, processors, GPU, disk and memory
requirements     installed packages against what DAF requires
plain            any value as JSON-ready data
columns          tables with the columns of a record class
provenance       the record of how a result was made
engine_packages  names of the engine's distributions
module_files     the files of modules and their imports, found without importing
user_code        stamps of the user's code, by content
imported_code    whether the files of imported modules are still those that Python imported
failure_report   what a failure of user code says
forked_work      work in a copy of the process, which user code may end
worker_processes  processes that answer requests, in shared memory
shares           independent parts of a computation, shared among copies of the process
linear_algebra   numpy's linear algebra on one thread, for the same last bits everywhere
process_state    the state of the process that user code may change
"""
