"""Where a Data Owner keeps datasets, frozen tables, jobs, answers, and the record of what it released."""
