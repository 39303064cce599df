"""execore: an order execution core."""
