"""The comments of `-with-annotations`: what each part of an upgraded template is, and how it goes on."""

from __future__ import annotations

from typing import Final

HEAD: Final = """\
Written by `vmforge hcl2_upgrade` from a template in JSON. Read it through before the JSON goes away: from
then on this file is yours. Its blocks may stand in any order, and be split over several files of one folder
that end in `.pkr.hcl`.

`${ ... }` is computed when the template is read. What still stands in `{{ ... }}` is filled in later, by the
component that uses it: much of it (the address of the HTTP server, say) is known only then.
"""
VARIABLES: Final = """\
What can be set from outside: with `-var name=value`, with `-var-file`, or by PKR_VAR_name in the environment.
JSON knows only strings; another `type` makes a wrong value an error early.
"""
UNDECLARED: Final = "The template uses this variable, but did not declare it."
ENVIRONMENT: Final = "Holds an environment variable: only the default of a variable can read one."
LOCALS: Final = """\
Defaults that are computed, which the default of a variable cannot be. A value given from outside wins; where
nobody gives one, the variable can go, and the expression behind the `?` is enough.
"""
TIMESTAMP: Final = "The start of the run in seconds since 1970, which JSON calls {{timestamp}}."
SOURCES: Final = """\
Each builder has become a source: how one machine comes to be, without what is done with it.
"""
BUILD: Final = """\
A build names its sources, and what happens to the machine of each: provisioners in their order, then the
chains of post-processors, each of which starts from what the builder left.
"""
