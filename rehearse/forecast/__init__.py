"""From what was measured at a few small sizes to what it takes at a large one, with its doubt; pure, no server."""
