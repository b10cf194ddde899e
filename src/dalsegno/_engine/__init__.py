"""Executes flows and tasks. Begin reading at `task_life.task_life`, which is what happens to a task run."""
