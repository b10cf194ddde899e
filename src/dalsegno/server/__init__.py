"""The server: the API over the store, the loops that keep it, and the page. `application.create_app` is the way in."""
