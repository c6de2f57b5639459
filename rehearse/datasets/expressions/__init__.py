"""SQL expressions over columns in Arrow; what is not known here is left to the server."""

from rehearse.datasets.expressions import arithmetic, choosing, leaves, logic, words
from rehearse.datasets.expressions.logic import array_items
from rehearse.datasets.expressions.terms import Outside, Rows, Term, Tree, makers, term, truth
from rehearse.datasets.expressions.words import pattern_of

__all__ = ["Outside", "Rows", "Term", "Tree", "array_items", "pattern_of", "term", "truth"]

for _module in (leaves, logic, choosing, arithmetic, words):
    makers.update(_module.MAKERS)
