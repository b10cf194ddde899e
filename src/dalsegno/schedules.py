"""Schedules for deployments, as users write them: `Cron`, `Interval`, `RRule`."""

from __future__ import annotations
