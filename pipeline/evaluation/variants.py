"""The variants of a test photo that evaluation scores, and their labels."""

# The baselines that the enhanced photo must beat.
YARDSTICKS = ("untouched", "histogram_match", "auto_enhance", "start")
VARIANTS = (*YARDSTICKS, "enhanced")
VARIANT_NAMES = {
    "untouched": "Untouched",
    "histogram_match": "Histogram match",
    "auto_enhance": "Auto enhance",
    "start": "Before training",
    "enhanced": "Enhanced",
    "truth": "Truth",
}
