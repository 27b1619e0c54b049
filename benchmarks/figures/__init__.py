"""What is measured: a module a figure, and the order in which they run."""

from collections.abc import Mapping

from benchmarks.figures import (
    backlog,
    end_to_end,
    floor,
    ingest,
    mapping,
    match,
    restart,
    scale,
    store,
)
from benchmarks.suite import Figure

FIGURES: Mapping[str, Figure] = {
    figure.name: figure
    for figure in (
        floor.FIGURE,
        ingest.FIGURE,
        end_to_end.FIGURE,
        match.FIGURE,
        mapping.FIGURE,
        scale.FIGURE,
        store.FIGURE,
        restart.FIGURE,
        backlog.FIGURE,
    )
}
