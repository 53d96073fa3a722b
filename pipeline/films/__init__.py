"""Films: read, enhanced frame by frame with decisions that agree over time, and written with all else kept."""
