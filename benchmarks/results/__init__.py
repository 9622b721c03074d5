"""The results of a run: tables, plots and one page, made of its raw rows and of nothing else."""

from __future__ import annotations

from pathlib import Path

from benchmarks.results.evidence import Evidence


def report(raw: Path, folder: Path | None = None, pictures: Path | None = None) -> Path:
    """Write what a run found: ``report.md`` with plots beside it, and all in one page, ``index.html``.

    The same rows give the same files.

    Parameters
    ----------
    raw : Path
        Raw rows, ``.jsonl`` or ``.jsonl.gz``.
    folder : Path, optional
        Made if it is not there. Default: beside the raw rows, named after them.
    pictures : Path, optional
        The folder of pictures that the run was of: with it the page shows misses and false matches.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    RowsError
        `raw` cannot be read, or is none of raw rows.
    """
    # matplotlib takes a second to import: not for who only reads.
    from benchmarks.results import document, gallery
    from benchmarks.results.misses import look_alikes, worst_misses
    from benchmarks.results.page import make_page

    evidence = Evidence(raw)
    found = document.write(evidence)
    folder = folder or raw.parent / (raw.name.split(".")[0] + "-report")
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    for name, plot in found.plots.items():
        (folder / "plots" / name).write_bytes(plot)
    (folder / "report.md").write_text(found.markdown, encoding="utf-8")
    galleries = {
        "Pictures: what the edits look like": gallery.edits(evidence.header.get("edits", [])),
        "Pictures: worst misses": gallery.misses(worst_misses(found.copies), pictures),
        "Pictures: nearest strangers": gallery.look_alikes(look_alikes(evidence), pictures),
    }
    page = folder / "index.html"
    page.write_text(make_page(document.TITLE, found.markdown, found.plots, galleries), encoding="utf-8")
    return page


def markdown(raw: Path) -> str:
    """The report as text alone."""
    from benchmarks.results import document

    return document.write(Evidence(raw)).markdown


def headline(raw: Path) -> dict[str, str]:
    """Single figures of a run by name, for texts that quote them.

    Returns
    -------
    dict of str to str
        Such as ``sigsearch: micro-average precision`` to ``91.3 %``, and ``sigsearch embedded, 1,000,000
        records: p50, ms`` to ``12.1``.
    """
    from benchmarks.results.document import headline as find

    return find(Evidence(raw))
