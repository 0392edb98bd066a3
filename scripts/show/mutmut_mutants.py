"""Mutants that mutmut makes, drawn with a seed: one JSON object a line, after one with how many there are.

Usage, in an environment with mutmut: mutmut_mutants.py ROOT COUNT SEED FILE... Mutmut's own generator makes them; of each
only its own change is put into the file, without the trampolines that a whole run of mutmut switches between: frozen Structs,
`__slots__` and names bound at import don't survive those. What mutmut never mutates (decorated functions, annotations, what
stands outside of functions) is not mutated here either.
"""

from __future__ import annotations

import difflib
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import libcst
from mutmut.mutation.file_mutation import Mutation, create_mutations, deep_replace


class Place(NamedTuple):
    """One mutation and the file it belongs to."""

    file: str
    source: str
    module: libcst.Module
    mutation: Mutation


def places(root: Path, files: list[str]) -> Iterator[Place]:
    """All mutations of the files, in mutmut's order."""
    for file in files:
        source = (root / file).read_text()
        module, mutations, *_ = create_mutations(file, source)
        for mutation in mutations:
            # As in mutmut: what is outside of a function or method is left alone.
            if isinstance(mutation.contained_by_top_level_function, libcst.FunctionDef):
                yield Place(file, source, module, mutation)


def told(place: Place) -> dict[str, object]:
    """The mutant: its file's new source, and what is another in it."""
    mutated = deep_replace(place.module, place.mutation.original_node, place.mutation.mutated_node)
    assert isinstance(mutated, libcst.Module)
    lines = list(difflib.unified_diff(place.source.splitlines(), mutated.code.splitlines(), n=0, lineterm=""))
    changed = [line[0] + " " + line[1:].strip() for line in lines[2:] if line[0] in "-+"]
    line = int(lines[2].split()[1].lstrip("-").split(",")[0])
    return {"file": place.file, "line": line, "what": "  ".join(changed), "source": mutated.code}


def main(root: Path, count: int, seed: int, files: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # Mutmut reads its settings from where it stands, and wants to be told of a folder with sources.
        Path(folder, "setup.cfg").write_text("[mutmut]\nsource_paths=.\n")
        os.chdir(folder)
        everything = list(places(root, files))
        os.chdir(root)
    print(json.dumps({"total": len(everything)}))
    for place in random.Random(seed).sample(everything, min(count, len(everything))):
        print(json.dumps(told(place)))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
