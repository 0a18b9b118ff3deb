"""Word to a party's own people of what waits for them: by e-mail, and by a webhook. Off unless `[notify]` says so."""
