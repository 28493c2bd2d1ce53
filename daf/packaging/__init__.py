"""Deployment packages: one zip per policy version, and the endpoints that receive packages.

package       writing a package
source        the Python files that a policy's class needs and the engine lacks
weights       weights in a form that CoGames can load
documents     the documents of a package
card          the model card
findings      what a comparison found about the packaged policy
lineage       sweep, training, seeds and code that the policy comes from
dependencies  what a package needs, with hashes
sbom          the bill of materials (CycloneDX)
statement     the provenance statement (in-toto, SLSA)
signing       signatures (OpenSSF model-signing)
bundle        the zip: a CoGames submission bundle with documentation, the same bytes for the same content
manifest      the required content of the zip, by hash
inspection    what reading a package tells, without running anything
validation    whether a package is intact and plays
golden        what a packaged policy answered, replayed wherever it is validated or deployed
player        a package that plays from its own process
admission     what a package must show before it serves
non_inferiority  a new version against the one that serves
sandbox       the process of a package under validation: confined, watched, ended
confine       a program that gives up rights, then runs isolated_run
isolated_run  a program that loads a package without DAF and answers observations with actions
journal       the events of one deployed policy: the pointer and the history, which repair each other
registry      a folder of deployed versions with a pointer to the current one
deployments   what is sent to an endpoint, and what came of it
endpoints     folder registries and servers behind one interface
servers       CoGames and Coworld servers
http_client   requests with retries, bounds and a deadline
http_attempt  one request and its answer, ended in time whatever the server does
tokens        the token of a server
"""
