"""`dalsegno deploy`, `dalsegno init` and files of deployments: what they may hold, and what is said of the rest."""

from __future__ import annotations

import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from dalsegno._backend.embedded import StoreBackend
from dalsegno.cli import main
from dalsegno.deployments.project.deploying import read_project
from dalsegno.model.deployments import DeploymentSpec
from dalsegno.model.pools import NewPool
from dalsegno.variables import Variable

Deploy = Callable[..., tuple[int, str, str]]

ETL = """
    from dalsegno import flow

    @flow
    def etl(day: str = "x", n: int = 1): ...

    @flow
    def report(): ...
"""


@pytest.fixture(autouse=True)
def flows(folder: Path, store: StoreBackend) -> None:
    (folder / "etl.py").write_text(textwrap.dedent(ETL))
    store.create_pool(NewPool(name="machines"))


@pytest.fixture
def deploy(folder: Path, capsys: pytest.CaptureFixture[str]) -> Deploy:
    """Write a file of deployments, unless it is None, and deploy from it."""

    def call(text: str | None, *arguments: str, file: str = "dalsegno.yaml") -> tuple[int, str, str]:
        if text is not None:
            (folder / file).write_text(textwrap.dedent(text))
        capsys.readouterr()
        code = main(["deploy", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def spec_of(store: StoreBackend, name: str) -> DeploymentSpec:
    found = store.find_deployment(*name.split("/"))
    assert found is not None
    return found.spec


WHOLE = """
    name: orders
    definitions:
      nightly: &nightly
        cron: "0 3 * * *"
        timezone: Europe/Berlin
      pool: &pool
        name: machines
        job_variables: {env: {A: "1"}}
    deployments:
      - name: eu
        entrypoint: etl.py:etl
        version: 7
        description: Orders of Europe.
        tags: [a, "{{ $REGION }}"]
        parameters: {day: monday, n: "{{ dalsegno.variables.number }}"}
        schedules:
          - *nightly
          - interval: 60
            slug: often
            active: false
        concurrency_limit: {limit: 2, collision_strategy: CANCEL_NEW}
        concurrency_key: "{{ parameters.day }}"
        priority: 3
        work_pool: *pool
      - name: us
        entrypoint: etl.py:etl
        work_pool: {<<: *pool, work_queue_name: west}
      - name: weekly
        entrypoint: etl.py:report
        work_pool: *pool
"""


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("REGION", "europe")
    Variable.set("number", 5)
    return WHOLE


def test_a_file_says_all_that_code_can(deploy: Deploy, store: StoreBackend, folder: Path, whole: str) -> None:
    code, said, errors = deploy(whole, "--name", "eu")
    assert (code, errors) == (0, "")
    assert "Deployed 'etl/eu' to work pool 'machines'." in said
    spec = spec_of(store, "etl/eu")
    assert (spec.version, spec.description, spec.tags) == ("7", "Orders of Europe.", ["a", "europe"])
    assert spec.parameters == {"day": "monday", "n": 5}
    assert (spec.concurrency_limit, spec.collision_strategy, spec.priority) == (2, "CANCEL_NEW", 3)
    assert spec.concurrency_key == "{{ parameters.day }}"
    assert (spec.work_pool_name, spec.job_variables) == ("machines", {"env": {"A": "1"}})
    assert (spec.source.entrypoint, spec.source.path) == ("etl.py:etl", str(folder))
    assert spec.schedules is not None
    assert [(each.cron, each.timezone, each.interval, each.slug, each.active) for each in spec.schedules] == [
        ("0 3 * * *", "Europe/Berlin", None, None, True),
        (None, None, 60.0, "often", False),
    ]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--all"], {"etl/eu", "etl/us", "report/weekly"}),
        (["--name", "*s"], {"etl/us"}),
        (["--name", "etl/*"], {"etl/eu", "etl/us"}),
        (["--name", "eu", "--name", "report/weekly"], {"etl/eu", "report/weekly"}),
    ],
)
def test_which_are_deployed(
    deploy: Deploy, store: StoreBackend, whole: str, arguments: list[str], names: set[str]
) -> None:
    assert deploy(whole, *arguments)[0] == 0
    known = ("etl/eu", "etl/us", "report/weekly")
    assert {each for each in known if store.find_deployment(*each.split("/")) is not None} == names


def test_what_is_said_on_the_command_line_goes_first(deploy: Deploy, store: StoreBackend, whole: str) -> None:
    arguments = ["--param", "day=tuesday", "--cron", "0 5 * * *", "--tag", "mine", "-jv", "stream_output=false"]
    assert deploy(whole, "--name", "eu", "--concurrency-limit", "9", "--work-queue", "q", *arguments)[0] == 0
    spec = spec_of(store, "etl/eu")
    assert (spec.parameters, spec.tags) == ({"day": "tuesday", "n": 5}, ["mine"])
    assert spec.schedules is not None
    assert [each.cron for each in spec.schedules] == ["0 5 * * *"]
    assert (spec.concurrency_limit, spec.work_queue_name) == (9, "q")
    assert spec.job_variables == {"env": {"A": "1"}, "stream_output": False}


def test_an_entry_point_needs_no_file(deploy: Deploy, store: StoreBackend) -> None:
    assert deploy(None, "etl.py:etl", "--name", "eu", "--pool", "machines", "--interval", "15 minutes")[0] == 0
    spec = spec_of(store, "etl/eu")
    assert spec.schedules is not None
    assert [each.interval for each in spec.schedules] == [900.0]


def test_a_prefect_file_is_read_as_it_is(deploy: Deploy, store: StoreBackend) -> None:
    code, _, errors = deploy(
        """
        name: flows
        prefect-version: 3.4.0
        build: null
        push: null
        pull:
        - prefect.deployments.steps.git_clone:
            repository: https://example.org/flows.git
            branch: main
            access_token: "{{ $GIT_TOKEN }}"
        deployments:
        - name: eu
          version: null
          tags: []
          description: null
          schedule: {}
          flow_name: null
          entrypoint: etl.py:etl
          parameters: {}
          triggers: [{type: event}]
          work_pool: {name: machines, work_queue_name: null, job_variables: {}}
        """,
        file="prefect.yaml",
    )
    assert code == 0, errors
    assert "Passed over, for this version has nothing for it: triggers." in errors
    source = spec_of(store, "etl/eu").source
    assert (source.entrypoint, source.path, source.interpreter) == ("etl.py:etl", None, None)
    ((name, arguments),) = source.pull_steps[0].items()
    assert name == "prefect.deployments.steps.git_clone"
    assert arguments["access_token"] == "{{ $GIT_TOKEN }}"  # for the workers to fill in


def test_outputs_of_build_steps_reach_what_comes_after(deploy: Deploy, store: StoreBackend, folder: Path) -> None:
    code, _, errors = deploy(
        """
        build:
          - dalsegno.deployments.steps.run_shell_script:
              id: commit
              script: echo abc123
              stream_output: false
        push:
          - dalsegno.deployments.steps.run_shell_script:
              script: |
                touch pushed-{{ commit.stdout }}
              stream_output: false
        pull:
          - dalsegno.deployments.steps.set_working_directory:
              directory: /srv/{{ commit.stdout }}
        deployments:
          - {name: eu, entrypoint: "etl.py:etl", version: "{{ commit.stdout }}", work_pool: {name: machines}}
          - {name: us, entrypoint: "etl.py:etl", build: [], push: [], pull: [], work_pool: {name: machines}}
        """,
        "--all",
    )
    assert code == 0, errors
    assert (folder / "pushed-abc123").exists()
    spec = spec_of(store, "etl/eu")
    assert spec.version == "abc123"
    assert spec.source.pull_steps == [
        {"dalsegno.deployments.steps.set_working_directory": {"directory": "/srv/abc123"}}
    ]
    assert spec_of(store, "etl/us").source.path == str(folder)


ENTRY = "deployments:\n  - name: a\n    entrypoint: etl.py:etl\n"
BAD = [
    ("deployments: [", "line 1, column 15: this is no YAML"),
    ("a:\n\tb: 1", "line 2, column 1: this is no YAML.*indented by spaces"),
    ("deployments:\n  - name: a\n    name: b", "line 3, column 5: 'name' is there twice"),
    (
        "deployments:\n  - name: a\n    entrypont: x.py:x",
        "line 3, column 5: a deployment has no 'entrypont'. Did you mean",
    ),
    ("deploymnts: []", "line 1, column 1: .* no 'deploymnts'. Did you mean 'deployments'"),
    ("- a", "line 1, column 1: a file of deployments has name"),
    ("deployments:\n  - just text", "line 2, column 5: a deployment has"),
    ("deployments:\n  - name: a", "line 2, column 5: .*needs an entrypoint"),
    ("deployments:\n  - entrypoint: etl.py:etl", "line 2, column 5: a deployment needs a name"),
    (
        ENTRY + "    schedules:\n      - cron: '61 * * * *'",
        "line 5, column 9: this schedule cannot be: cron '61",
    ),
    (
        ENTRY + "    schedules:\n      - crn: '1 * * * *'",
        "line 5, column 9: a schedule has no 'crn'. Did you mean 'cron'",
    ),
    (
        "deployments:\n  - name: a\n    parameters: [1]",
        r"line 3, column 5: 'parameters' is parameters by name, and not \[1\]",
    ),
    ("deployments:\n  - name: a\n    paused: maybe", "line 3, column 5: 'paused' is true or false, and not 'maybe'"),
    (
        ENTRY + "    flow_name: x",
        "line 4, column 5: flow_name is 'x', but",
    ),
    ("x: &a [*a]", "it stands for too much"),
    (
        ENTRY + "    version: '{{ $NOBODY_SET_THIS }}'",
        "no NOBODY_SET_THIS",
    ),
    (ENTRY + "    version: '{{ build.tag }}'", "no step before it has"),
    ("build:\n  - run_shell_scrip: {script: x}\ndeployments:\n  - name: a", "no step 'run_shell_scrip'. Did you mean"),
    ("build:\n  - run_shell_script: {scrip: x}\ndeployments:\n  - name: a", "no argument 'scrip'; it has script"),
    (
        "build:\n  - run_shell_script: {script: ls /nowhere, stream_output: false}\ndeployments:\n  - name: a",
        "Step 'run_shell_script' failed. ls /nowhere ended with status 2",
    ),
    (
        "pull:\n  - git_clone: {repository: 'https://x.org/y.git', access_token: abc}\n"
        "deployments:\n  - name: a\n    entrypoint: etl.py:etl",
        "The access_token of step 'git_clone' would be stored",
    ),
    ("deployments:\n  - name: a\n    entrypoint: gone.py:etl", "no file 'gone.py'"),
    (
        ENTRY + "    on_crash: shrug",
        "cannot be: Invalid enum value 'shrug'",
    ),
    (
        ENTRY + "    work_pool: {name: nowhere}",
        r"There is no work pool 'nowhere' \(there are: 'machines'\)",
    ),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_what_cannot_be_is_refused_with_its_place(deploy: Deploy, store: StoreBackend, text: str, message: str) -> None:
    import re

    code, _, errors = deploy(text)
    assert code != 0
    assert re.search(message, errors), errors
    assert "Traceback" not in errors
    assert store.find_deployment("etl", "a") is None


def test_an_entry_point_whose_code_fails_is_told_with_its_traceback(deploy: Deploy, folder: Path) -> None:
    (folder / "bad.py").write_text("import nothing_of_this_name\n")
    code, _, errors = deploy("deployments:\n  - name: a\n    entrypoint: bad.py:etl")
    assert code == 1
    assert 'bad.py", line 1' in errors
    assert "nothing_of_this_name" in errors


def test_several_and_none_is_named(deploy: Deploy, whole: str) -> None:
    code, _, errors = deploy(whole)
    assert code == 2
    assert "Give --name or --all. In dalsegno.yaml there are: etl/eu, etl/us, report/weekly." in errors


def test_without_a_file_it_says_what_to_do(deploy: Deploy) -> None:
    code, _, errors = deploy(None)
    assert code == 2
    assert "`dalsegno init` makes a file" in errors


def test_init_writes_a_file_that_deploys(deploy: Deploy, store: StoreBackend, folder: Path) -> None:
    assert main(["init", "--pool", "machines"]) == 0
    assert [entry.values["entrypoint"] for entry in read_project(folder / "dalsegno.yaml").entries] == [
        "etl.py:etl",
        "etl.py:report",
    ]
    assert deploy(None, "--all")[0] == 0
    assert spec_of(store, "report/report").source.path == str(folder)
    assert main(["init"]) == 2


def test_init_writes_down_the_repository(folder: Path) -> None:
    for command in (["init", "-q", "-b", "main"], ["remote", "add", "origin", "https://me:secret@example.org/f.git"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    assert main(["init", "--recipe", "git"]) == 0
    text = (folder / "dalsegno.yaml").read_text()
    assert "secret" not in text
    assert read_project(folder / "dalsegno.yaml").steps["pull"] == [
        {"dalsegno.deployments.steps.git_clone": {"repository": "https://example.org/f.git", "branch": "main"}}
    ]
