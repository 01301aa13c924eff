"""Side-by-side timings: `make bench` runs them all."""
