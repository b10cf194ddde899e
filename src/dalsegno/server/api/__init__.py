"""The API: one module per resource, each with a `routes` that `application` puts together."""
