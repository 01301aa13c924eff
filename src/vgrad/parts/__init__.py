"""What a study varies, one file a kind: each holds a registry of named, documented functions."""
