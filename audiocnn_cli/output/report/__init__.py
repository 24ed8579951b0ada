"""`classify --report`: one HTML page a recording that needs no network, and an overview of several."""
