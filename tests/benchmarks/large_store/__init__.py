"""A store of 10 or 100 million records to measure on, in MariaDB and beside it in DuckDB.

``readings`` says what the records are, ``rollup_rows`` what follows from them, ``tables`` brings rows into MariaDB,
``folder`` keeps a whole store so that later runs need not load it again, ``check`` compares it with its own raw rows.
"""
