"""The parent's side of a measurement: what is asked, what comes back, and how sure it is."""
