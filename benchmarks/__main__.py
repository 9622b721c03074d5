"""The benchmarks' command line: ``python -m benchmarks COMMAND --help``."""

import typer

from benchmarks.borders import borders
from benchmarks.bulk import bulk
from benchmarks.certainty import certainty
from benchmarks.cost import cost
from benchmarks.decoding import decoding
from benchmarks.embedded import embedded
from benchmarks.golden import golden
from benchmarks.migration import migration
from benchmarks.parity import parity
from benchmarks.regions.command import regions
from benchmarks.suite.command import full, quick, report

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.command()(quick)
app.command()(full)
app.command()(report)
app.command()(parity)
app.command()(cost)
app.command()(certainty)
app.command()(decoding)
app.command()(golden)
app.command()(embedded)
app.command()(migration)
app.command()(bulk)
app.command()(borders)
app.command()(regions)

if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
