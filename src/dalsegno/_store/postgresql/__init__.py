"""What is PostgreSQL's own: connections and transactions, errors, arrays, partitions.

Imports psycopg, so it is imported only where a URL asks for it.
"""
