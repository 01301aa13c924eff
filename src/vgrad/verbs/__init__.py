"""The verbs of the command line, a module each: `main(words)` reads its words and does the work."""
