"""The scenarios: each transition of uploads, blobs and removals, and what is to be the end of it.

To add one is one entry of the module that its transition belongs to: what was there before, what is
killed, how it ends. The acts at which it is killed are found by running it. The modules are the
tables of docs/explanation/life-of-bytes.md; what is done for bytes beside their coming and going
is in `care`.
"""

from tests.crash_points.scenarios.blobs import BLOBS
from tests.crash_points.scenarios.removals import REMOVAL
from tests.crash_points.scenarios.tags import TAGS
from tests.crash_points.scenarios.uploads import UPLOADS
from tests.crash_points.scenarios.verification import VERIFICATION

SCENARIOS = (*UPLOADS, *VERIFICATION, *TAGS, *BLOBS, *REMOVAL)

# What is run on a real store too: every verb of the store that changes anything, killed on both
# sides. The rest differs only in rows, and rows are in a real Postgres in any case.
ON_A_REAL_STORE = tuple(
    scenario
    for scenario in SCENARIOS
    if scenario.name
    in {
        "a whole push of one part",
        "complete, of one part",
        "one body",
        "abort",
        "expire",
        "drop parts that no row knows",
        "joined to another size than was announced",
        "verified, and the bytes were there already",
        "condemned bytes are collected",
    }
)
