"""The catalogue of pipelines that recording, analysis and verification are held to."""

from __future__ import annotations

from tests.tfdata.zoo_documents import DOCUMENTS
from tests.tfdata.zoo_entry import Entry
from tests.tfdata.zoo_functions import FUNCTIONS
from tests.tfdata.zoo_shapes import SHAPES
from tests.tfdata.zoo_sources import SOURCES
from tests.tfdata.zoo_trees import TREES

ZOO: tuple[Entry, ...] = (*SOURCES.entries, *TREES.entries, *FUNCTIONS.entries, *SHAPES.entries, *DOCUMENTS.entries)
BY_NAME: dict[str, Entry] = {entry.name: entry for entry in ZOO}
