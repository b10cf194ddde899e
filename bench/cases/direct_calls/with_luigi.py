"""A chain of trivial tasks, each requiring the one before, under the local scheduler; a file per task."""

from __future__ import annotations

import luigi

import probe


class AddOne(luigi.Task):
    chain = luigi.Parameter()
    number = luigi.IntParameter()

    def requires(self) -> list[luigi.Task]:
        return [AddOne(self.chain, self.number - 1)] if self.number else []

    def output(self) -> luigi.LocalTarget:
        return luigi.LocalTarget(str(probe.home() / f"{self.chain}-{self.number}.txt"))

    def run(self) -> None:
        with self.output().open("w") as file:
            file.write(str(self.number + 1))


def add_up(count: int) -> None:
    done = luigi.build([AddOne(f"chain-of-{count}", count - 1)], local_scheduler=True, log_level="INFO")
    probe.require(done, "a task failed")


if __name__ == "__main__":
    probe.report(**probe.time_tasks(add_up, probe.size()))
