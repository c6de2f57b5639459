"""Check digits of many numbers at once."""

from __future__ import annotations

import numpy as np

from rehearse.datasets.symbols import Codes, Ints


def luhn_sums(found: Codes) -> Ints:
    """Return each text's digits added up as Luhn has it; the sum of a valid number ends in 0.

    Other signs are passed over; every second digit from the right, the last one left out, counts double.
    """
    points = found.points.astype(np.int64)
    figures = (points >= 48) & (points <= 57)
    steps = np.concatenate([[0], np.cumsum(figures)])
    from_right = np.repeat(steps[found.ends], np.diff(found.bounds)) - steps[1:]
    digits = np.where(figures, points - 48, 0)
    doubled = 2 * digits - 9 * (digits > 4)
    return _by_text(np.where(from_right % 2 == 1, doubled, digits), found)


def rests_97(found: Codes) -> Ints:
    """Return what the accounts of IBANs leave, their check digits taken as 00, divided by 97.

    A letter counts as two digits, A as 10; country and check digits stand at the end for this (ISO 13616).
    """
    points = found.points.astype(np.int64)
    figures, letters = (points >= 48) & (points <= 57), (points >= 65) & (points <= 90)
    inside = np.arange(len(points)) - np.repeat(found.bounds[:-1], np.diff(found.bounds))
    checks = (inside == 2) | (inside == 3)
    number = np.where(checks, 0, np.where(figures, points - 48, np.where(letters, points - 55, 0)))
    digits = np.where(figures, 1, np.where(letters, 2, 0))
    # Each sign's weight is 10 to the number of digits behind it, in the order account, country, check digits.
    steps = np.concatenate([[0], np.cumsum(digits)])
    whole = np.repeat(steps[found.ends] - steps[found.bounds[:-1]], np.diff(found.bounds))
    upto = steps[1:] - np.repeat(steps[found.bounds[:-1]], np.diff(found.bounds))
    head = 6  # two letters and two check digits
    behind = np.where(inside < 4, head - upto, whole - upto + head)
    powers = np.array([pow(10, power, 97) for power in range(int(behind.max(initial=0)) + 1)])
    return _by_text(number * powers[behind], found) % 97


def _by_text(numbers: Ints, found: Codes) -> Ints:
    steps = np.concatenate([[0], np.cumsum(numbers)])
    sums: Ints = steps[found.bounds[1:]] - steps[found.bounds[:-1]]
    return sums
