"""A Data Owner's store of datasets, frozen tables, jobs, answers, and the record of what it released."""
