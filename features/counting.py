"""Counts that share a sum: to keep many counts for each of many rows is what an engine spends most of its time on.

The counts of one kind of event in three windows are kept as one sum, each in digits of its own, and read out of it afterwards. So
features stay counts, and nobody who writes one has to know.
"""

from collections import defaultdict
from collections.abc import Mapping

import ibis.expr.operations as ops
import ibis.expr.types as ir

DIGITS = 17  # binary digits of a count: three counts are exact in a float64, and engines sum integers in wider and slower types
MOST = 2**DIGITS - 1


def sharing_sums(values: Mapping[str, ir.Value]) -> dict[str, ir.Value]:
    """Let counts share sums, three at a time, whose conditions begin alike.

    So begin ``(kind == k) & (age < 1)`` and ``(kind == k) & (age < 7)``.

    Parameters
    ----------
    values : mapping of str to value
        Aggregates over one table.

    Returns
    -------
    dict
        The same values from fewer aggregates: equal as long as no group has more than ``MOST`` rows, wrong beyond.
    """
    nodes = {name: value.op() for name, value in values.items()}
    alike = defaultdict(list)
    for count in dict.fromkeys(count for node in nodes.values() for count in node.find(ops.CountStar) if count.where is not None):
        begins, ends = (count.where.left, count.where.right) if isinstance(count.where, ops.And) else (None, count.where)
        alike[begins].append((count, ends.to_expr()))
    read = {}
    for begins, counts in alike.items():
        for first in range(0, len(counts), 3):
            together = [(count, ends, DIGITS * place) for place, (count, ends) in enumerate(counts[first : first + 3])]
            ones = sum(ends.ifelse(1 << shift, 0) for _, ends, shift in together).cast("float64")
            total = ones.sum(where=None if begins is None else begins.to_expr()).fill_null(0.0).cast("int64")
            read |= {count: ((total >> shift) & MOST).op() for count, _, shift in together}
    return {name: node.replace(read).to_expr() for name, node in nodes.items()}
