"""doctor: what breaks in practice is tried, and what is wrong is named together with its remedy.

`checks` lists what is looked at; each is a function in a module named for its subject, which takes
the options and gives findings. `examining` runs them. The `doctor` command and the administrators'
page show the same report.
"""
