"""How fast photos flow, each part against a ceiling measured in the same run."""
