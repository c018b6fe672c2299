"""What is wrong with an answer file, found before a machine starts and its installer stumbles over it."""

from vmforge.builders.answer_checks.checking import check
from vmforge.builders.answer_checks.finding import Finding
from vmforge.builders.answer_checks.kinds import AnswerKind, recognise

__all__ = ["AnswerKind", "Finding", "check", "recognise"]
