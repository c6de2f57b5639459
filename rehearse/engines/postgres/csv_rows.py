"""Record batches of texts as CSV for COPY: nothing for a null, quotes round everything else."""

from __future__ import annotations

import pyarrow as pa
from pyarrow import csv

_OPTIONS = csv.WriteOptions(include_header=False, batch_size=8192, quoting_style="all_valid")


def as_csv(batch: pa.RecordBatch) -> memoryview:
    """Return the batch's rows as COPY … (FORMAT csv) reads them."""
    sink = pa.BufferOutputStream()
    csv.write_csv(batch, sink, _OPTIONS)
    return memoryview(sink.getvalue())
