"""How often a model is right, on recordings that it was not trained on."""
