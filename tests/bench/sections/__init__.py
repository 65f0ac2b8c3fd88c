"""One file a section: NEEDS, USES_OSTLER, MINUTES (its bound) and run(group, settings), which returns Markdown."""
