"""The words in which the client is asked, by the names that they are looked for under."""
