"""./tessera bench: the rows of bench/rows on Tessera and on Debian's Linux, side by side (docs/benchmark.md)."""
