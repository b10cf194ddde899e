"""Every setting: its name, type, default and meaning, in one place.

The setting ``logging.level`` is the variable DALSEGNO_LOGGING_LEVEL, and ``[logging] level`` in a TOML file.
``${DALSEGNO_HOME}`` in a path or URL stands for the home folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from dalsegno.settings import kinds as kind


class ApiSettings(msgspec.Struct, frozen=True):
    """The server, where there is one, as its clients see it."""

    url: Annotated[kind.OptionalText, "URL of a server's API. None: the database is used directly."] = None
    key: Annotated[kind.OptionalSecret, "API key to show to the server (`dalsegno api-key create` makes them)."] = None
    timeout: Annotated[kind.Seconds, "How long a request may take."] = 30.0
    connect_timeout: Annotated[kind.Seconds, "How long connecting may take."] = 5.0
    wait: Annotated[kind.Seconds, "How long calls that need an answer wait for a server that cannot be reached."] = 60.0
    tls_verify: Annotated[kind.Flag, "Whether the server's certificate is verified."] = True
    tls_ca_file: Annotated[
        kind.OptionalPath, "A file of certificates to trust instead of the system's, for a CA of your own."
    ] = None


class ServerSettings(msgspec.Struct, frozen=True):
    """The server that `dalsegno server start` runs."""

    host: Annotated[kind.Text, "The address to listen on."] = "127.0.0.1"
    port: Annotated[kind.Number, "The port to listen on; 0: any that is free."] = 4200
    workers: Annotated[kind.PositiveNumber, "Processes that serve."] = 1
    allowed_hosts: Annotated[
        kind.Names, "Further names under which the server is reached: what a Host header may say."
    ] = ()
    max_body_size: Annotated[kind.Size, "Larger requests are refused."] = 268_435_456
    require_login: Annotated[
        kind.WhoLogsIn,
        "Who has to log in or show an API key. auto: everybody, but on loopback nobody until there is a user. "
        "always: everybody. remote: all but those who come from this machine itself, even when there are users.",
    ] = "auto"
    admin_name: Annotated[kind.Text, "Name of the admin that a server makes when it starts and has none."] = "admin"
    admin_password: Annotated[
        kind.OptionalSecret, "Password of that admin. None: `dalsegno server create-admin` makes the first one."
    ] = None
    session_idle: Annotated[kind.Seconds, "A browser that was quiet for so long has to log in again."] = 86400.0
    session_lifetime: Annotated[kind.Seconds, "After so long every browser has to log in again."] = 14 * 86400.0
    trusted_proxies: Annotated[
        kind.Names,
        "Addresses or networks (10.0.0.0/8) of reverse proxies whose X-Forwarded-For, -Proto and -Host are believed.",
    ] = ()
    cors_origins: Annotated[
        kind.Names,
        "Origins (https://app.example.org) whose pages may read the API, with an API key only. None by default.",
    ] = ()
    tls_cert_file: Annotated[
        kind.OptionalPath, "The certificate, with its chain, to serve HTTPS. None: plain HTTP."
    ] = None
    tls_key_file: Annotated[kind.OptionalPath, "The certificate's private key."] = None
    tls_key_password: Annotated[kind.OptionalSecret, "The password of the private key, if it has one."] = None
    metrics_without_login: Annotated[
        kind.Flag, "Whether /metrics is for everybody who reaches the server; else it takes the role of a viewer."
    ] = False
    services: Annotated[kind.Flag, "Whether the server runs the loops that keep the database: leases, retention."] = (
        True
    )


class DatabaseSettings(msgspec.Struct, frozen=True):
    """The database."""

    url: Annotated[
        kind.Text, "Where runs are recorded: `sqlite:///` and a file, or `postgresql://user:password@host:port/name`."
    ] = "sqlite:///${DALSEGNO_HOME}/dalsegno.db"
    busy_timeout: Annotated[kind.Seconds, "How long a write waits for other processes' writes."] = 60.0
    allow_network_file_system: Annotated[
        kind.Flag,
        "Use a database on a network file system all the same, though locks can fail there and damage it.",
    ] = False
    pgbouncer: Annotated[
        kind.Flag, "The URL leads to PgBouncer in transaction mode: nothing is kept in a session between transactions."
    ] = False
    listen_url: Annotated[
        kind.OptionalText,
        "URL that leads to the same PostgreSQL database directly, to LISTEN there. None: the database's own URL, or "
        "behind PgBouncer none, and changes by others are looked for.",
    ] = None


class LoggingSettings(msgspec.Struct, frozen=True):
    """What is logged, and where to."""

    level: Annotated[kind.Level, "Lowest level of the lines of runs that are shown and recorded."] = "INFO"
    extra_loggers: Annotated[
        kind.Names, "Loggers of other libraries whose lines belong to the run that they are written in."
    ] = ()
    log_prints: Annotated[
        kind.Flag, "Whether `print` in flows and tasks writes to the run's log, where they do not say."
    ] = False
    to_console: Annotated[kind.Flag, "Whether the lines of runs are written to standard error."] = True
    to_journal: Annotated[kind.Flag, "Whether the lines of runs are recorded with the run."] = True
    max_line_size: Annotated[kind.Size, "Longer lines are cut, and say so."] = 65_536
    config_path: Annotated[
        kind.OptionalPath,
        "A TOML or JSON file for `logging.config.dictConfig`, used in place of our console handler.",
    ] = None


class ResultsSettings(msgspec.Struct, frozen=True):
    """How the results of runs are kept."""

    persist_by_default: Annotated[kind.Flag, "Whether results are kept where nothing else is said."] = True
    default_serializer: Annotated[kind.Text, "Turns what is not plain data into bytes."] = "pickle"
    storage: Annotated[
        kind.OptionalPlace,
        "A folder or an fsspec URL for results over the blob limit. None: the server's own storage where there is a "
        "server, else the folder `results` in the home.",
    ] = None
    inline_limit: Annotated[kind.Size, "Results up to this size stand in the row of their run."] = 16_384
    blob_limit: Annotated[kind.Size, "Results up to this size are kept in the database."] = 1_048_576
    max_size: Annotated[kind.Size, "Larger results are not kept; the log says so."] = 1_073_741_824
    encryption_key: Annotated[
        kind.Keys,
        "Results are encrypted with this key where they are kept; of several the first encrypts, all decrypt. "
        '`python -c "import secrets; print(secrets.token_urlsafe(32))"` makes one. Who loses it loses the results.',
    ] = kind.Secrets()


class TaskRunnerSettings(msgspec.Struct, frozen=True):
    """Where submitted tasks run."""

    thread_pool_max_workers: Annotated[
        kind.PositiveNumber, "Threads of a ThreadPoolTaskRunner that is not told how many."
    ] = 256


class TasksSettings(msgspec.Struct, frozen=True):
    """What tasks do where their decorator does not say."""

    default_retries: Annotated[kind.Number, "How often a failed task is tried again."] = 0
    default_retry_delay_seconds: Annotated[kind.Delays, "How long to wait before each retry."] = 0.0
    default_persist_result: Annotated[
        kind.OptionalFlag, "Whether results of tasks are kept. None: as for all results."
    ] = None
    disable_caching: Annotated[kind.Flag, "Neither read nor write the cache, whatever the policies."] = False
    refresh_cache: Annotated[kind.Flag, "Run cached tasks again, and write their results anew."] = False
    background_max_recoveries: Annotated[
        kind.Number,
        "How often a task run in the background is executed again when the process that executes it is gone.",
    ] = 3
    runner: TaskRunnerSettings = TaskRunnerSettings()


class FlowsSettings(msgspec.Struct, frozen=True):
    """What flows do where their decorator does not say."""

    default_retries: Annotated[kind.Number, "How often a failed flow is tried again."] = 0
    default_retry_delay_seconds: Annotated[kind.Delays, "How long to wait before each retry."] = 0.0


class PausesSettings(msgspec.Struct, frozen=True):
    """How runs wait."""

    suspend_sleep_from: Annotated[
        kind.OptionalSeconds,
        "From which length on a sleep gives the process back, of a run that was claimed from the queue; others sleep "
        "in their process. None: never.",
    ] = 300.0


class ReplaySettings(msgspec.Struct, frozen=True):
    """How calls are matched with those of earlier attempts."""

    fingerprint_cap: Annotated[kind.Size, "Arguments up to this size are compared by content."] = 262_144


class JournalSettings(msgspec.Struct, frozen=True):
    """How often a run's records are sent to the database."""

    flush_interval: Annotated[kind.Seconds, "Longest wait before what changed is sent."] = 0.02
    max_batch: Annotated[kind.PositiveNumber, "Most task runs in one batch."] = 2000
    max_waiting: Annotated[
        kind.PositiveNumber,
        "With more task runs than this still to be recorded, tasks wait before they start.",
    ] = 20_000
    delivery_timeout: Annotated[
        kind.Seconds, "How long records wait for a database that cannot take them before the run ends."
    ] = 60.0
    heartbeat_interval: Annotated[kind.Seconds, "How often a quiet process says that it lives."] = 2.0
    max_batch_size: Annotated[kind.Size, "Most bytes of results, or of log lines, in one batch."] = 16_777_216
    spool_after: Annotated[
        kind.Seconds, "How long a server may take for a batch before the batch waits on disk and the run goes on."
    ] = 1.0
    spool_max_size: Annotated[
        kind.Size,
        "Most bytes of a process's records that wait on disk for a server; then tasks wait before they start.",
    ] = 4_294_967_296


class LeasesSettings(msgspec.Struct, frozen=True):
    """Who executes a run, or holds a slot, has to be heard of."""

    length: Annotated[
        kind.Seconds,
        "How long a process on another machine, or a claim, may be silent before it counts as gone; of the server, "
        "where there is one.",
    ] = 30.0


class WorkerSettings(msgspec.Struct, frozen=True):
    """Workers, which execute runs that were asked for."""

    start_method: Annotated[
        kind.StartMethod,
        "How runs get their processes. auto: forked from a template process that has imported the flow already, "
        "where that is safe. spawn: always a fresh process.",
    ] = "auto"
    cancel_grace: Annotated[
        kind.Seconds, "How long a cancelled run has to end before its whole process group is killed."
    ] = 30.0
    templates: Annotated[kind.PositiveNumber, "Most template processes that a worker keeps."] = 8
    healthcheck_host: Annotated[kind.Text, "The address of a worker's health endpoint."] = "127.0.0.1"
    healthcheck_port: Annotated[kind.Number, "Its port; 0: any that is free."] = 8080
    output_tail: Annotated[
        kind.Size, "Bytes of a run's standard error that are kept, for the message if it crashes."
    ] = 8192


class RunnerSettings(msgspec.Struct, frozen=True):
    """Programs that serve deployments."""

    process_limit: Annotated[kind.PositiveNumber, "Most runs at a time that one executes, where it does not say."] = 5


class SchedulerSettings(msgspec.Struct, frozen=True):
    """Runs that schedules ask for."""

    late_after: Annotated[kind.Seconds, "How long after it was due a run that waits is called Late."] = 15.0


class RetentionSettings(msgspec.Struct, frozen=True):
    """How long what has ended is kept."""

    runs: Annotated[kind.OptionalSeconds, "Runs with their task runs, results and artifacts."] = 90 * 86400.0
    logs: Annotated[kind.OptionalSeconds, "Log lines."] = 30 * 86400.0
    audit: Annotated[kind.OptionalSeconds, "The audit log of a server."] = 365 * 86400.0


class TracesSettings(msgspec.Struct, frozen=True):
    """Traces by OpenTelemetry, of runs and of a server's requests; the extra `otel` brings it."""

    enabled: Annotated[kind.Flag, "Whether spans are made, and sent."] = False
    endpoint: Annotated[
        kind.OptionalText,
        "URL of what collects them by OTLP over HTTP. None: as OTEL_EXPORTER_OTLP_ENDPOINT says. A program that sets "
        "OpenTelemetry up itself sends them where it sends its own.",
    ] = None


class Settings(msgspec.Struct, frozen=True):
    """All settings, as they are in force at one place and time.

    Example:
        >>> from dalsegno.settings import get_current_settings
        >>> get_current_settings().logging.level
        'INFO'
    """

    home: Annotated[kind.FilePath, "The folder that holds the database, results and profiles."] = Path("~/.dalsegno")
    profiles_path: Annotated[kind.FilePath, "The file of profiles."] = Path("${DALSEGNO_HOME}/profiles.toml")
    profile: Annotated[
        kind.OptionalText, "Name of the profile in use. None: the one that the file of profiles calls active."
    ] = None
    api: ApiSettings = ApiSettings()
    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    logging: LoggingSettings = LoggingSettings()
    results: ResultsSettings = ResultsSettings()
    tasks: TasksSettings = TasksSettings()
    flows: FlowsSettings = FlowsSettings()
    pauses: PausesSettings = PausesSettings()
    replay: ReplaySettings = ReplaySettings()
    journal: JournalSettings = JournalSettings()
    leases: LeasesSettings = LeasesSettings()
    scheduler: SchedulerSettings = SchedulerSettings()
    worker: WorkerSettings = WorkerSettings()
    runner: RunnerSettings = RunnerSettings()
    retention: RetentionSettings = RetentionSettings()
    traces: TracesSettings = TracesSettings()
