"""How the embedded extractor was made: not a part of the package."""
