"""A guestbook for each tenant, in a table of the package's own."""
