"""Every kind of layer, with its exact arithmetic: one frozen dataclass each."""
