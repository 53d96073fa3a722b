"""Public photo sets by name: one TOML file per set, in this folder or in `catalogue/` beside params.yaml."""
