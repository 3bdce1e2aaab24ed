"""Postgres: the rows of generations, stage runs, events, deliveries and uploads.

Each module holds the queries of one table as functions over the caller's connection, so that several of them form
one transaction; `database.py` has the pool.
"""

from orchestrator.store.database import Connection, Database
from orchestrator.store.rows import Delivery, Event, Generation, StageRun, Upload

__all__ = ["Connection", "Database", "Delivery", "Event", "Generation", "StageRun", "Upload"]
