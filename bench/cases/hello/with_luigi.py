"""One task and the wrapper that asks for it: Luigi's nearest to a flow of one task."""

from __future__ import annotations

import luigi

import probe


class Greet(luigi.Task):
    def output(self) -> luigi.LocalTarget:
        return luigi.LocalTarget(str(probe.home() / "greeting.txt"))

    def run(self) -> None:
        with self.output().open("w") as file:
            file.write("Hello, world!")


class Hello(luigi.WrapperTask):
    def requires(self) -> Greet:
        return Greet()


if __name__ == "__main__":
    probe.require(luigi.build([Hello()], local_scheduler=True), "a task failed")
