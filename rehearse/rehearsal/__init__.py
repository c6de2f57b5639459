"""The only part that drives a server: prepare, run the phases, compare, stop."""

from rehearse.rehearsal.progress import Progress, Silent
from rehearse.rehearsal.run import run

__all__ = ["Progress", "Silent", "run"]
