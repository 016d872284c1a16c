"""Kills and disturbs the programs for some minutes, and counts what was lost.

python -m tests.kills
python -m tests.kills --minutes=60 --seed=7 --programs=train,export --kinds=time,call
python -m tests.kills --every_call --programs=enhance --kinds=error
"""

from __future__ import annotations

import collections
import itertools
import pathlib
import tempfile
import time

from absl import flags

from drgn_tf.cli import program
from drgn_tf.errors import UserError
from tests.kills.cases import CASES, Lost
from tests.kills.kills import ERRORS, KINDS, Kills, Moment, batches

_MINUTES = flags.DEFINE_float("minutes", 10, "How long; the last program is waited for.", 0.0)
_SEED = flags.DEFINE_integer("seed", 0, "Of the moments.")
_PROGRAMS = flags.DEFINE_list("programs", [case.name for case in CASES], "Which programs.")
_KINDS = flags.DEFINE_list("kinds", list(KINDS), f"Kinds of disturbance: {', '.join(KINDS)}.")
_EVERY_CALL = flags.DEFINE_boolean(
    "every_call",
    False,
    "Instead of random moments, each call that changes the output folder in turn: once killed "
    "there (kind call), once failing with each error, once and from then on (kind error).",
)


def _every_call(kills: Kills):
    for name, kind in itertools.product(_PROGRAMS.value, _KINDS.value):
        if kind == "call":
            for place in range(1, kills.calls(name, removals=True) + 1):
                yield [Moment(name, kind, place)]
        elif kind == "error":
            for place in range(1, kills.calls(name) + 1):
                for error in ERRORS:
                    yield from ([Moment(name, kind, place, error + more)] for more in ("", "+"))


def main(argv: list[str]) -> int:
    """Returns 1 if something was lost."""
    for flag, known in ((_PROGRAMS, [case.name for case in CASES]), (_KINDS, KINDS)):
        if unknown := set(flag.value) - set(known):
            raise UserError(f"--{flag.name}: {', '.join(unknown)}; known are {', '.join(known)}.")
    tried, lost = collections.Counter(), collections.Counter()
    with tempfile.TemporaryDirectory(prefix="kills-") as scratch:
        chosen = tuple(case for case in CASES if case.name in _PROGRAMS.value)
        kills = Kills(pathlib.Path(scratch, "kills"), chosen)
        limit = time.monotonic() + 60 * _MINUTES.value
        moments = (
            _every_call(kills)
            if _EVERY_CALL.value
            else batches(kills, _SEED.value, _PROGRAMS.value, _KINDS.value)
        )
        try:
            for batch in moments:
                if time.monotonic() > limit:
                    break
                key = batch[0].case, batch[0].kind
                try:
                    tried[key] += kills.disturb(batch)
                except Lost as error:
                    tried[key] += len(batch)
                    lost[key] += 1
                    print(f"LOST {batch}\n{error}", flush=True)
        finally:
            kills.close()
    print("| program | kind | moments tried | lost |\n| --- | --- | --- | --- |")
    for (name, kind), count in sorted(tried.items()):
        print(f"| {name} | {kind} | {count} | {lost[name, kind]} |")
    print(f"moments tried: {tried.total()}, lost: {lost.total()}")
    return 1 if lost else 0


if __name__ == "__main__":
    program.run(main, flag_modules=(__name__,), extra="all")
