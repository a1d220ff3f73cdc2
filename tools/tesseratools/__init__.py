"""The interface generator, the composer and the launcher of Tessera (Python 3.11, standard library only)."""
