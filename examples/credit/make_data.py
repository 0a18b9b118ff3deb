"""Write the German credit data as a test set for the Model Owner and three lenders' tables of unequal size.

    python examples/credit/make_data.py OUT_DIR

writes test.csv (200 of the 1,000 applicants), lender-a.csv (380), lender-b.csv (240) and lender-c.csv (180).

Owners refuse a job in which a category would hold fewer than ten of their rows, so that rare categories are merged here
before anything else, as a consortium would agree to do. The seed of the draw is one for which each lender then has ten.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from splitting import main, random_split, write_tables

TEST_ROWS = 200
SHARES = {"lender-a.csv": 0.475, "lender-b.csv": 0.3, "lender-c.csv": 0.225}
SEED = 10

#: New name of a column, and what becomes of some of its values.
COLUMNS: dict[str, tuple[str, dict[str, str]]] = {
    "status_of_existing_checking_account": (
        "checking_account",
        {
            "no checking account": "none",
            "... < 0 DM": "overdrawn",
            "0 <= ... < 200 DM": "below 200",
            "... >= 200 DM / salary assignments for at least 1 year": "200 or salary",
        },
    ),
    "duration_in_month": ("duration_months", {}),
    "credit_history": (
        "credit_history",
        {
            "existing credits paid back duly till now": "paid till now",
            "critical account/ other credits existing (not at this bank)": "critical",
            "delay in paying off in the past": "delayed",
            "all credits at this bank paid back duly": "all paid back",
            "no credits taken/ all credits paid back duly": "all paid back",
        },
    ),
    "purpose": (
        "purpose",
        {
            "car (new)": "new car",
            "car (used)": "used car",
            "domestic appliances": "household",
            "furniture/equipment": "household",
            "radio/television": "household",
            "business": "business or other",
            "education": "business or other",
            "others": "business or other",
            "repairs": "business or other",
            "retraining": "business or other",
        },
    ),
    "credit_amount": ("amount_dm", {}),
    "savings_account_and_bonds": (
        "savings",
        {
            "... < 100 DM": "below 100",
            "unknown/ no savings account": "unknown",
            "100 <= ... < 500 DM": "100 to 500",
            "500 <= ... < 1000 DM": "500 or more",
            "... >= 1000 DM": "500 or more",
        },
    ),
    "present_employment_since": (
        "employed_since",
        {
            "unemployed": "unemployed",
            "... < 1 year": "below 1 year",
            "1 <= ... < 4 years": "1 to 4 years",
            "4 <= ... < 7 years": "4 to 7 years",
            "... >= 7 years": "7 years or more",
        },
    ),
    "installment_rate_in_percentage_of_disposable_income": ("installment_rate", {}),
    "other_debtors_or_guarantors": (
        "other_signers",
        {"none": "no", "guarantor": "yes", "co-applicant": "yes"},
    ),
    "present_residence_since": ("residence_since", {}),
    "property": (
        "property",
        {
            "real estate": "real estate",
            "building society savings agreement/ life insurance": "savings plan",
            "car or other, not in attribute Savings account/bonds": "car or other",
            "unknown / no property": "none",
        },
    ),
    "age_in_years": ("age_years", {}),
    "other_installment_plans": ("other_installments", {"none": "no", "bank": "yes", "stores": "yes"}),
    "housing": ("housing", {"own": "own", "rent": "rent", "for free": "free"}),
    "number_of_existing_credits_at_this_bank": ("credits_here", {}),
    "job": (
        "job",
        {
            "skilled employee / official": "skilled",
            "unskilled - resident": "unskilled",
            "unemployed/ unskilled - non-resident": "unskilled",
            "management/ self-employed/ highly qualified employee/ officer": "highly skilled",
        },
    ),
    "number_of_people_being_liable_to_provide_maintenance_for": ("dependents", {}),
    "telephone": ("telephone", {"none": "no", "yes, registered under the customers name": "yes"}),
    "creditability": ("outcome", {}),
}


def read_rows() -> list[list[str]]:
    """The 1,000 applicants, in the columns of COLUMNS; a value that the merging does not know is a KeyError."""
    with (Path(__file__).with_name("german_credit.csv")).open(newline="") as file:
        return [
            [merged[record[source]] if merged else record[source] for source, (_, merged) in COLUMNS.items()]
            for record in csv.DictReader(file)
        ]


def write_data(folder: Path) -> list[Path]:
    """Write the four files into `folder`, which is made if need be, and return their paths."""
    rows = read_rows()
    return write_tables(
        folder, [name for name, _ in COLUMNS.values()], rows, random_split(len(rows), TEST_ROWS, SHARES, SEED)
    )


if __name__ == "__main__":
    main(write_data)
