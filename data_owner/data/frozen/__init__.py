"""Data of a job as they were when it was joined, kept on disk until it has ended."""
