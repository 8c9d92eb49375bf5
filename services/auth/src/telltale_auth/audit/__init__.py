"""Who did what to whom: one row for each change of identity, in the transaction of the change."""
