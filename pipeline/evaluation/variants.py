"""The versions of a test photo that evaluation scores, and what they are called."""

# What the enhanced photo has to be better than.
YARDSTICKS = ("untouched", "histogram_match", "auto_enhance")
VARIANTS = (*YARDSTICKS, "enhanced")
VARIANT_NAMES = {
    "untouched": "Untouched",
    "histogram_match": "Histogram match",
    "auto_enhance": "Auto enhance",
    "enhanced": "Enhanced",
    "truth": "Truth",
}
