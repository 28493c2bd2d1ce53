"""Deployment packages: one zip per policy version, and the endpoints that receive packages.

package       writing a package
source        the Python files that a policy's class needs and the engine lacks
weights       weights in a form that CoGames can load
bundle        the zip: a CoGames submission bundle with documentation, the same bytes for the same content
manifest      the required content of the zip, by hash
validation    whether a package is intact and plays
isolated_run  a program that loads and plays a package in a process without DAF
registry      a folder of deployed versions with a pointer to the current one
endpoints     folder registries and CoGames servers behind one interface
"""
