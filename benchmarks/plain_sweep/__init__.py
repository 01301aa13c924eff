"""What a user would write by hand for the sweep that vgrad is timed against."""
