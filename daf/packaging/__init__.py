"""Deployment packages: one zip per policy version, and the places that packages are sent to.

package       writing a package
source        the Python files that a policy's class needs and the engine does not ship
weights       weights as CoGames can load them
bundle        the zip: a CoGames submission bundle with documentation, the same bytes for the same content
manifest      what the zip must contain, by hash
validation    whether a package is intact and plays
isolated_run  the program that loads and plays a package in a process without DAF
registry      a folder of deployed versions with a pointer to the current one
endpoints     folder registries and CoGames servers behind one interface
"""
