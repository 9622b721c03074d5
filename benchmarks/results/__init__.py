"""From raw rows to metrics, tables, plots and a page; nothing here measures anything."""
