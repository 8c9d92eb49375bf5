"""CSV import: a file is taken whole or not at all.

The way of a file, by module: ``upload`` (request → pieces in the database), then in the jobs process ``checking``
(pieces → ``text`` → ``rows`` → ``parsing``, with ``times``, ``numbers`` and ``series`` → sorted ``blocks`` →
``merging``), ``applying`` (chunk by chunk → shared store) and, on demand, ``undoing``. ``handlers`` ties these
together.
"""
