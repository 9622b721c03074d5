"""The suite: all that is measured in one run, as raw rows first; `benchmarks.results` reads them."""
