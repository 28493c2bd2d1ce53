"""The Python half of the Snakefile.

plan       what the experiment makes, and which file needs which
preflight  the check with the engine before there is a graph
lock       the lock of Snakemake's that a killed run leaves behind
runner     the Snakefile run from Python
script     what every program in scripts/ does around its one call
rulegraph  the picture of the rules in the README
"""
