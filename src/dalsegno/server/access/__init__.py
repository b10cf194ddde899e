"""Who may use the server: what is let in at all (`protection`), who asks (`identity`), and may they (`guard`)."""
