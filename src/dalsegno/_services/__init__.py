"""The loops over the store, each a `tick` that may run in every server at once; a server decides when."""
