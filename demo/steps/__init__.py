"""The steps of the story, one idea a file; each has TITLE and show(stage) -> what was shown, or raises."""
