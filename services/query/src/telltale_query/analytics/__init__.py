"""Analytics: numbers over a range, from rollups in its middle and raw rows at its ragged edges."""
