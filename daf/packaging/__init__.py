"""Deployment packages: one zip per policy version, and the places it is sent to.

package       writing a package
source        the Python files that a policy's class needs and the engine does not ship
bundle        the zip: a CoGames submission bundle with documentation, the same bytes for the same content
manifest      what the zip must contain, by hash
validation    the package loaded and played in a process that knows nothing of DAF
registry      a folder of deployed versions with a pointer to the current one
endpoints     folder registries and CoGames servers behind one interface
"""
