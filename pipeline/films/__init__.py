"""Films: read, enhanced with decisions that agree over time, and written with all else kept."""
