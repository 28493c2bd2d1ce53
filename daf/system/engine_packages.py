"""The distributions that make up the engine. Each imports under its own name, except pufferlib-core."""

ENGINE_PACKAGES = ("cogames", "mettagrid", "pufferlib-core", "torch")
# Of these, the ones that define missions and networks; the others only train networks.
DECIDING_PACKAGES = ENGINE_PACKAGES[:2]
