"""What the REST API speaks of: one module per resource, with the conversions from what the store tells.

The structs are the API's schema, for the server that answers with them and for the clients that read them. Ids are
UUIDs, times are aware, in UTC. Each field says what it is in its `Meta`, which is where the OpenAPI document has it.
"""
