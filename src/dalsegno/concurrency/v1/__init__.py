"""The form that takes names of tags: limits of task runs, held by a block."""
