"""Time stamps by an authority (RFC 3161) on what a party signs at a job's end."""
