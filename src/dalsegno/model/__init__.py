"""The vocabulary of Dalsegno: plain structs that the engine, the store, the API and the page share. No I/O."""
